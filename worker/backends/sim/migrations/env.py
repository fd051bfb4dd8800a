"""Alembic enters here for the sim chain."""

from worker.db.environment import run

run("sim")
