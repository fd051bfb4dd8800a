"""The stored summaries, and sums over pilots, for `report`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from worker.db import reports, sums
from worker.db.reports import Report
from worker.db.sums import PilotSums, ReportBy, SumsOf
from worker.domain.access import Role
from worker.domain.errors import Invalid
from worker.domain.pages import Page, PageRequest
from worker.domain.tally import begin_of
from worker.services.allowed import allowed_to
from worker.services.places import require_places
from worker.services.runtime import Runtime
from worker.services.tasks.tally import grain_at

__all__ = ["PilotSums", "Report", "ReportBy", "Sums", "stored", "sums_of"]


@allowed_to(Role.READ)
def stored(
    runtime: Runtime, since: datetime, *, limit: int = 100, after: str | None = None
) -> Page[Report]:
    """List the summaries that were stored since a moment, the latest first."""
    latest_first = PageRequest(sort="at", descending=True, limit=limit, after=after)
    with runtime.database.uow() as tx:
        return reports.find(tx, since=since, asked=latest_first)


@dataclass(frozen=True, kw_only=True)
class Sums:
    """What pilots did since a moment: in all, and in groups."""

    since: datetime
    """The requested moment, or the begin of its hour or day if nothing finer is kept of it."""
    total: PilotSums | None
    items: list[PilotSums]
    is_cut: bool
    """Whether there are more groups than are listed; the total is that of all."""


@allowed_to(Role.READ)
def sums_of(
    runtime: Runtime,
    since: datetime,
    *,
    by: Sequence[ReportBy] = (ReportBy.CE,),
    limit: int = 1000,
    ce: str | None = None,
    vo: str | None = None,
) -> Sums:
    """Add up what pilots did since a moment, by CE, VO and day, from the tallies."""
    if not by:
        raise Invalid("by", f"name one of {', '.join(ReportBy)}")
    words, most = list(dict.fromkeys(by)), PageRequest(limit=limit).limit
    since = begin_of(grain_at(since, runtime.now()), since)
    place = SumsOf(ce=ce, vo=vo)
    with runtime.database.uow() as tx:
        require_places(tx, ce, vo)
        listed = sums.add_up(tx, since, words, most + 1, place)
        total = sums.add_up(tx, since, [], 1, place) if listed else []
    return Sums(
        since=since,
        total=total[0] if total else None,
        items=listed[:most],
        is_cut=len(listed) > most,
    )
