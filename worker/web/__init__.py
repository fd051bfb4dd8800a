"""The server: the API, the console (`console/`), the metrics, and signing in (`pages/`).

Like a command, each of them parses a request, performs one action, and shows the answer.
"""
