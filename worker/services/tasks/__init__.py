"""The tasks that fire by themselves: one file for each, and what runs them."""
