"""Who gets how many, and when to look again. Pure: the same input gives the same output."""
