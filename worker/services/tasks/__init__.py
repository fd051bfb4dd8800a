"""The periodic tasks: one file for each, and the code that schedules and executes them."""
