"""What we do, one subject a module. A service opens units of work and calls what is below."""
