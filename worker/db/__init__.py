"""What we remember: tables, transactions, queries, and the chains that make the tables."""
