"""The running system: real processes, watched from outside."""
