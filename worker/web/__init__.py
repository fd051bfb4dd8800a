"""The doors of HTTP: the API, the console (`console/`), the metrics, and signing in (`pages/`).

Each is a door like the commands: it parses a request, has one action done, shows the answer.
"""
