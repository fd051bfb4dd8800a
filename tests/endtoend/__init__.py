"""Real pilots, real services: a batch system's own accounting agrees with the database."""
