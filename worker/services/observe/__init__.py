"""Read-only services: the overview, metrics, plans, simulations. Nothing here changes anything."""
