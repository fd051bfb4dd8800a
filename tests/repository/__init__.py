"""Every operation on every entity, on both databases."""
