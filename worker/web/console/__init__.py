"""The console: pages for people, rendered on the server from the same actions as the API."""
