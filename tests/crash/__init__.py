"""What must hold whatever happens, and a harness that stops the system at every point to see it."""
