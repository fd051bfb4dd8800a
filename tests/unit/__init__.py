"""What needs no database, or only one in memory."""
