"""The whole core under a machine that tries random lives, and models of its smaller parts."""
