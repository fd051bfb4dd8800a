"""The runtime of a service for a test that has a database alone, and lets the clock go."""

from datetime import UTC, datetime
from pathlib import Path

from tests.databases import installed
from worker.db.database import Database
from worker.services.runtime import Runtime


def runtime_on(database: Database) -> Runtime:
    """Put together what a service is handed; nothing there is of a folder of its own."""
    return Runtime(
        database=database,
        backends=installed(),
        home=Path("/nonexistent"),
        now=lambda: datetime.now(UTC),
        holder="one",
    )
