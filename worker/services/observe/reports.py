"""The stored summaries: for `report`."""

from datetime import datetime

from worker.db import reports
from worker.db.database import Database
from worker.db.pages import Page, PageRequest
from worker.db.reports import Report

__all__ = ["Report", "stored"]


def stored(
    database: Database, since: datetime, *, limit: int = 100, after: str | None = None
) -> Page[Report]:
    """Return the summaries that were stored since a moment, the latest first."""
    latest_first = PageRequest(sort="at", descending=True, limit=limit, after=after)
    with database.uow() as tx:
        return reports.find(tx, since=since, asked=latest_first)
