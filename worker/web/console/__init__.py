"""The console: pages for people, made on the server from the same actions as the API."""
