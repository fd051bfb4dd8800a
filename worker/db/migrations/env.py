"""The entry point of Alembic for the core chain."""

from worker.db.environment import run

run("core")
