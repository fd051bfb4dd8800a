"""The API and the console: who may do what, how they answer, and what a server survives."""
