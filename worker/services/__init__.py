"""What is done and looked at: tasks, operate, observe. A service opens units of work and calls what
is below; the runtime is its first argument.
"""
