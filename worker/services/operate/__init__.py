"""What people change: the inventory, pauses, pilots, the database."""
