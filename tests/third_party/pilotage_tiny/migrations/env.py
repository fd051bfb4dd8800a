"""Alembic enters here for the tiny chain."""

from worker.db.environment import run

run("tiny")
