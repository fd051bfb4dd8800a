"""A real Prometheus evaluates the rules and the dashboard on the metrics of real services."""
