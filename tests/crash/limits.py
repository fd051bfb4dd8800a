"""Never too many: the counts after a commit, and when a count above its limit is a fault.

A lost pilot that turns up is taken back even above a limit, an unknown job may be adopted, and an
operator may lower a limit. So a count above its limit is a fault in two cases only: the commit
added a new pilot, or the excess grew by more than the pilots that came back and the change of the
limit.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from worker.domain.pilot import FINAL, OCCUPYING, WAITING, Cause, Status

UNLIMITED = 2**31
Place = tuple[str, str]
"""A limit (`capacity` or `waiting limit` of a CE, `limit` of a VO), and the name of its owner."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step in the history of a pilot, with its CE and VO."""

    id: int
    pilot_id: int
    stamp: str
    ce: str
    vo: str
    was: Status | None
    became: Status
    cause: Cause | None
    at: datetime
    claimed_at: datetime | None

    def __str__(self) -> str:
        return f"pilot {self.pilot_id} of {self.vo} on {self.ce}: {self.was} to {self.became}"

    @property
    def places(self) -> tuple[Place, Place, Place]:
        """The limits that the pilot counts against."""
        return ("capacity", self.ce), ("waiting limit", self.ce), ("limit", self.vo)

    @property
    def is_new(self) -> bool:
        """Return whether we made the pilot; one that was found at a CE begins in doubt."""
        return self.was is None and self.became is Status.RESERVED

    def came_back_to(self, what: str) -> bool:
        """Return whether the pilot counts here because the CE says so, and not because of us."""
        if self.was is None:
            return not self.is_new
        if what == "waiting limit":  # a requeue too
            return self.was not in WAITING and self.became in WAITING
        return self.was in FINAL and self.became in OCCUPYING


@dataclass(frozen=True, kw_only=True)
class Use:
    """The number of pilots that count against each limit, and the limits."""

    counts: Mapping[Place, int]
    limits: Mapping[Place, int]

    def excess(self, place: Place) -> int:
        """Return by how much a limit is exceeded."""
        return max(0, self.counts.get(place, 0) - self.limits.get(place, UNLIMITED))


NOTHING = Use(counts={}, limits={})


def read_use(cursor: Any) -> Use:
    """Count the rows of the pilots. A plain cursor is fast: this runs after every commit."""
    counts: Counter[Place] = Counter()
    cursor.execute(_COUNTS)
    for ce, vo, status, number in cursor.fetchall():
        counts["capacity", ce] += number
        counts["limit", vo] += number
        if status in WAITING:
            counts["waiting limit", ce] += number
    limits: dict[Place, int] = {}
    cursor.execute(_LIMITS)
    for what, name, limit in cursor.fetchall():
        limits[what, name] = UNLIMITED if limit is None else limit
    return Use(counts=counts, limits=limits)


def exceeded(before: Use, after: Use, steps: Iterable[Step]) -> list[str]:
    """Return the limits that a commit broke; `steps` is the history that it wrote."""
    new_pilots: Counter[Place] = Counter()
    came_back: Counter[Place] = Counter()
    for step in steps:
        for place in step.places:
            new_pilots[place] += step.is_new
            came_back[place] += step.came_back_to(place[0])
    problems = []
    for place, limit in after.limits.items():
        excess = after.excess(place)
        if not excess:
            continue
        decrease = max(0, before.limits.get(place, limit) - limit)
        if new_pilots[place] or excess > before.excess(place) + came_back[place] + decrease:
            what, name = place
            problems.append(f"too many: {what} of {name} is {limit}, used {after.counts[place]}")
    return problems


_COUNTS = f"""
SELECT ces.name, vos.name, pilots.status, count(*)
  FROM pilots JOIN ces ON ces.id = pilots.ce_id JOIN vos ON vos.id = pilots.vo_id
 WHERE pilots.status IN ({", ".join(f"'{status}'" for status in OCCUPYING)})
 GROUP BY ces.name, vos.name, pilots.status
"""
_LIMITS = """
SELECT 'capacity', name, capacity FROM ces
 UNION ALL SELECT 'waiting limit', name, waiting_limit FROM ces
 UNION ALL SELECT 'limit', name, "limit" FROM vos
"""
