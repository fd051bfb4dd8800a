"""Alembic enters here for the slurm chain."""

from worker.db.environment import run

run("slurm")
