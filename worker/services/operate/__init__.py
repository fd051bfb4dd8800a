"""Services for what people change: the inventory, pauses, pilots, the database."""
