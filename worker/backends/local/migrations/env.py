"""Alembic enters here for the local chain."""

from worker.db.environment import run

run("local")
