"""The runtime of a service for a test that has only a database, with the real clock."""

from datetime import UTC, datetime
from pathlib import Path

from tests.databases import installed
from worker.db.database import Database
from worker.services.runtime import Runtime


def runtime_on(database: Database) -> Runtime:
    """Make the runtime of a service; it has no folder of its own."""
    return Runtime(
        database=database,
        backends=installed(),
        home=Path("/nonexistent"),
        now=lambda: datetime.now(UTC),
        holder="one",
    )
