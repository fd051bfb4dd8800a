"""The benchmark: our operations beside hand-written psycopg, in one run on one server."""
