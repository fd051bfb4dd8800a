"""The recorded changes, for `audit`."""

from datetime import datetime, timedelta

from worker.db import changes
from worker.db.changes import RecordedChange
from worker.domain.access import Role
from worker.domain.change import Door
from worker.domain.pages import Page, PageRequest
from worker.services.allowed import allowed_to
from worker.services.runtime import Runtime

__all__ = ["RecordedChange", "recorded"]

LONG_AGO = timedelta(days=730)
"""How long changes are kept by default."""


@allowed_to(Role.READ)
def recorded(
    runtime: Runtime,
    since: datetime,
    *,
    by: str | None = None,
    of: str | None = None,
    door: Door | None = None,
    limit: int = 100,
    after: str | None = None,
) -> Page[RecordedChange]:
    """List who changed what since a moment, the latest first."""
    latest_first = PageRequest(sort="at", descending=True, limit=limit, after=after)
    with runtime.database.uow() as tx:
        return changes.find(tx, since, by=by, of=of, door=door, asked=latest_first)
