"""Real services on the loopback, for tests and for trying things out by hand.

A testbed lives in one folder. It is started with free ports and without any service manager, and
one keeper process stands above all that it started, so nothing is left when it is stopped.
"""
