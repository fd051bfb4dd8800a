"""The entry point of Alembic for the chain of the tiny back-end."""

from worker.db.environment import run

run("tiny")
