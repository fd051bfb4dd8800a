"""Real pilots and services: the accounting of a batch system agrees with the database."""
