"""Alembic enters here for the htcondor chain."""

from worker.db.environment import run

run("htcondor")
