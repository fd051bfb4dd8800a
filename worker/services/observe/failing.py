"""Sums of failures by cause, CE or VO, for `failures` and `status`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from worker.db import failures
from worker.db.failures import By, Ends, Failures
from worker.domain.access import Role
from worker.domain.errors import Invalid
from worker.domain.pages import PageRequest
from worker.services.allowed import allowed_to
from worker.services.places import require_places
from worker.services.runtime import Runtime

LATELY = timedelta(hours=1)
"""The time that is summed up by default."""

__all__ = ["LATELY", "By", "Ends", "Failures", "Summary", "summary"]


@dataclass(frozen=True, kw_only=True)
class Summary:
    """How pilots ended since a moment, and the failures in groups, the largest first."""

    ends: Ends
    groups: list[Failures]


@allowed_to(Role.READ)
def summary(
    runtime: Runtime,
    since: datetime,
    *,
    by: Sequence[By] = (By.CAUSE, By.CE),
    limit: int = 20,
    ce: str | None = None,
    vo: str | None = None,
) -> Summary:
    """Sum up how pilots ended since a moment, and why some of them failed."""
    if not by:
        raise Invalid("by", f"name one of {', '.join(By)}")
    by, most = list(dict.fromkeys(by)), PageRequest(limit=limit).limit
    with runtime.database.uow() as tx:
        require_places(tx, ce, vo)
        return Summary(
            ends=failures.count_ends(tx, since, ce, vo),
            groups=failures.failures(tx, since, by, most, ce=ce, vo=vo),
        )
