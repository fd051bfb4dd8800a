"""The services on both databases, with the real guard and the simulated back-end."""
