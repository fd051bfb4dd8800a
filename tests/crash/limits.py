"""Never too many: what is counted after a commit, and when a count above a limit is a fault.

A pilot that was lost and turns up is taken back even above a limit, a job that nobody knew may be
taken in, and an operator may lower a limit. So a count above its limit is a fault in two cases:
the commit added a new pilot there, or the excess grew by more than what came back or the limit was
lowered by.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from worker.domain.pilot import FINAL, OCCUPYING, WAITING, Cause, Status

UNLIMITED = 2**31
Place = tuple[str, str]
"""What is limited: `capacity` or `waiting limit` of a CE, `limit` of a VO; and its name."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step in the history of a pilot, with whose it is."""

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
        """Where it counts."""
        return ("capacity", self.ce), ("waiting limit", self.ce), ("limit", self.vo)

    @property
    def is_new(self) -> bool:
        """Tell whether we made it; one that was found at a CE begins in doubt."""
        return self.was is None and self.became is Status.RESERVED

    def came_back_to(self, what: str) -> bool:
        """Tell whether it counts, or counts again, by the CE's word and not by ours."""
        if self.was is None:
            return not self.is_new
        if what == "waiting limit":  # a requeue too
            return self.was not in WAITING and self.became in WAITING
        return self.was in FINAL and self.became in OCCUPYING


@dataclass(frozen=True, kw_only=True)
class Use:
    """How much of each limit is used."""

    used: Mapping[Place, int]
    limits: Mapping[Place, int]

    def excess(self, place: Place) -> int:
        """Tell by how much a limit is exceeded."""
        return max(0, self.used.get(place, 0) - self.limits.get(place, UNLIMITED))


NOTHING = Use(used={}, limits={})


def read_use(cursor: Any) -> Use:
    """Count the rows of the pilots. By a plain cursor, for this is done after every commit."""
    used: Counter[Place] = Counter()
    cursor.execute(_COUNTS)
    for ce, vo, status, number in cursor.fetchall():
        used["capacity", ce] += number
        used["limit", vo] += number
        if status in WAITING:
            used["waiting limit", ce] += number
    limits: dict[Place, int] = {}
    cursor.execute(_LIMITS)
    for what, name, limit in cursor.fetchall():
        limits[what, name] = UNLIMITED if limit is None else limit
    return Use(used=used, limits=limits)


def exceeded(before: Use, after: Use, steps: Iterable[Step]) -> list[str]:
    """Name the limits that a commit broke; `steps` is the history that it wrote."""
    added: Counter[Place] = Counter()
    came_back: Counter[Place] = Counter()
    for step in steps:
        for place in step.places:
            added[place] += step.is_new
            came_back[place] += step.came_back_to(place[0])
    found = []
    for place, limit in after.limits.items():
        excess = after.excess(place)
        if not excess:
            continue
        lowered = max(0, before.limits.get(place, limit) - limit)
        if added[place] or excess > before.excess(place) + came_back[place] + lowered:
            what, name = place
            found.append(f"too many: {what} of {name} is {limit}, used {after.used[place]}")
    return found


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
