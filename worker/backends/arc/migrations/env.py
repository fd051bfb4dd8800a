"""Alembic enters here for the arc chain."""

from worker.db.environment import run

run("arc")
