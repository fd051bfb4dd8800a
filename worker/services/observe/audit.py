"""Who changed what: for `audit`."""

from datetime import datetime

from worker.db import changes
from worker.db.changes import RecordedChange
from worker.db.database import Database
from worker.db.pages import Page, PageRequest

__all__ = ["RecordedChange", "recorded"]


def recorded(
    database: Database,
    since: datetime,
    *,
    by: str | None = None,
    of: str | None = None,
    limit: int = 100,
    after: str | None = None,
) -> Page[RecordedChange]:
    """Return the changes since a moment, the latest first."""
    latest_first = PageRequest(sort="at", descending=True, limit=limit, after=after)
    with database.uow() as tx:
        return changes.find(tx, since, by=by, of=of, asked=latest_first)
