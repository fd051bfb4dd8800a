"""The chains, and the schema that they make."""
