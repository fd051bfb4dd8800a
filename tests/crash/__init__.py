"""What must always hold, and a harness that stops the system at every point to check it."""
