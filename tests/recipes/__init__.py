"""Recipes as programs: a test starts each from nothing, and the recipe does real work."""
