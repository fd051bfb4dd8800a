"""Demand sources against the services that they ask."""
