"""The rules and the dashboard, judged by a real Prometheus on what real services said."""
