"""The API: who may do what, how it answers, and what a process of it survives."""
