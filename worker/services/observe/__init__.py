"""What people look at: the overview, metrics, plans, simulations. Nothing here changes anything."""
