"""Alembic enters here for the core chain."""

from worker.db.environment import run

run("core")
