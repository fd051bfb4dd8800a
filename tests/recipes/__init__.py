"""Recipes as programs: each is begun from nothing, and does its work for real."""
