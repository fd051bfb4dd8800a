"""The database: tables, transactions, queries, and the chains of migrations."""
