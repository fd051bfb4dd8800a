"""The command line, as those who type it meet it."""
