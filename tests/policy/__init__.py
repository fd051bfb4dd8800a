"""The policies are pure functions, so every example is exact."""
