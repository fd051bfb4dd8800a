"""What things are: words and rules. No module here reads a file, a network or a clock."""
