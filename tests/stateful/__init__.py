"""A machine that tries random lives of the whole core, and models of its smaller parts."""
