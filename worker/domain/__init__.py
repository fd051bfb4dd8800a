"""What things are: words and rules, and nothing that can be reached, opened or waited for."""
