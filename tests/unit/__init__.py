"""Tests that need no database, or only one in memory."""
