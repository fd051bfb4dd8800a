"""Where pilots go: the contract, the registry, and one folder for each back-end."""
