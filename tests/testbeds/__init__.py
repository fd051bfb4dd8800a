"""Real services on the loopback, for tests and for trying things out by hand.

A testbed lives in one folder. It uses free ports and no service manager. One keeper process is the
ancestor of all its processes, so that nothing is left when it stops.
"""
