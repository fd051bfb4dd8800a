"""The API: a door like the commands. It parses a request, has one action done, shows the answer."""
