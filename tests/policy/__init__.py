"""The policies: pure, so every example is exact."""
