"""The stored summaries: for `report`."""

from datetime import datetime

from worker.db import reports
from worker.db.reports import Report
from worker.domain.access import Role
from worker.domain.pages import Page, PageRequest
from worker.services.allowed import allowed_to
from worker.services.runtime import Runtime

__all__ = ["Report", "stored"]


@allowed_to(Role.READ)
def stored(
    runtime: Runtime, since: datetime, *, limit: int = 100, after: str | None = None
) -> Page[Report]:
    """List the summaries that were stored since a moment, the latest first."""
    latest_first = PageRequest(sort="at", descending=True, limit=limit, after=after)
    with runtime.database.uow() as tx:
        return reports.find(tx, since=since, asked=latest_first)
