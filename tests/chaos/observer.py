"""The limits, watched during a run, and checked commit by commit after it.

A lost pilot that turns up is taken back even above a limit, and a pilot that its CE puts back into
the queue waits again. Nothing else may exceed a limit; while it is exceeded, no pilot may be added.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

import psycopg

from tests.integration.commits import COMMITS
from tests.integration.test_concurrency import limits
from worker.db.database import Database
from worker.domain.pilot import OCCUPYING, WAITING

EVERY = 0.2

SNAPSHOT = """
WITH held AS (
  SELECT p.ce_id, p.vo_id, p.status <> 'running' AS waits, EXISTS (
         SELECT FROM transitions t WHERE t.pilot_id = p.id
            AND (t.was = 'lost' OR (t.was = 'running' AND t.became = 'submitted'))) AS back
    FROM pilots p WHERE p.status IN ('reserved', 'submitting', 'submitted', 'running'))
SELECT 'capacity of ' || ce.name, count(*), ce.capacity
  FROM held JOIN ces ce ON ce.id = ce_id GROUP BY ce.id
HAVING count(*) FILTER (WHERE NOT back) > ce.capacity
UNION ALL
SELECT 'waiting limit of ' || ce.name, count(*) FILTER (WHERE waits), ce.waiting_limit
  FROM held JOIN ces ce ON ce.id = ce_id GROUP BY ce.id
HAVING count(*) FILTER (WHERE waits AND NOT back) > ce.waiting_limit
UNION ALL
SELECT 'limit of VO ' || vo.name, count(*), vo."limit"
  FROM held JOIN vos vo ON vo.id = vo_id GROUP BY vo.id
HAVING count(*) FILTER (WHERE NOT back) > vo."limit"
"""

LIMITS = """
SELECT 'capacity', name, capacity FROM ces UNION ALL SELECT 'waiting', name, waiting_limit FROM ces
UNION ALL SELECT 'vo', name, "limit" FROM vos
"""


class Step(NamedTuple):
    """A step in the life of a pilot, with the moment at which it was committed."""

    committed: Any
    ce: str
    vo: str
    stamp: str
    was: str | None
    became: str


@dataclass(frozen=True)
class Bounds:
    """The limits: capacities and waiting limits of CEs, limits of VOs."""

    capacity: Mapping[str, int]
    waiting: Mapping[str, int]
    vo: Mapping[str, int]


class Limit(NamedTuple):
    """A limit, and the moment at which it was first noticed."""

    at: float
    of: str
    name: str
    most: int | None


class Observer(threading.Thread):
    """Looks again and again at a consistent state; notes exceeded limits, and new limits."""

    def __init__(self, dsn: str) -> None:
        super().__init__(daemon=True)
        self.exceeded: list[str] = []
        self.limits: list[Limit] = []
        self.snapshots = 0
        self._in_force: dict[tuple[str, str], int | None] = {}
        self._dsn = dsn
        self._stop_asked = threading.Event()

    def run(self) -> None:
        """Look until `stop` is called, whenever the server answers."""
        while not self._stop_asked.wait(EVERY):
            try:
                with psycopg.connect(self._dsn, autocommit=True, connect_timeout=2) as connection:
                    self._look(connection)
            except psycopg.Error:
                continue

    def stop(self) -> None:
        """Stop looking."""
        self._stop_asked.set()
        self.join()

    def _look(self, connection: "psycopg.Connection[Any]") -> None:
        while not self._stop_asked.wait(EVERY):
            # One statement sees one state of the database.
            for what, number, limit in connection.execute(SNAPSHOT):
                self.exceeded.append(f"{what}: {number} of {limit}")
            self._note_limits(connection)
            self.snapshots += 1

    def _note_limits(self, connection: "psycopg.Connection[Any]") -> None:
        # The first limits were in force before the first look.
        at = time.time() if self.limits else 0.0
        for of, name, most in connection.execute(LIMITS):
            if (of, name) not in self._in_force or self._in_force[of, name] != most:
                self._in_force[of, name] = most
                self.limits.append(Limit(at, of, name, most))


@dataclass
class _State:
    """How many pilots hold places, and how many of them had lost theirs and came back."""

    bounds: Bounds
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    back: Counter[tuple[str, str]] = field(default_factory=Counter)
    back_again: set[str] = field(default_factory=set)

    def take(self, step: Step) -> None:
        if step.was is not None:
            self._count(step, step.was, -1)
        if step.was == "lost" or (step.was, step.became) == ("running", "submitted"):
            self.back_again.add(step.stamp)
        self._count(step, step.became, 1)

    def _count(self, step: Step, status: str, number: int) -> None:
        places = [("capacity", step.ce), ("vo", step.vo)] if status in OCCUPYING else []
        if status in WAITING:
            places.append(("waiting", step.ce))
        for place in places:
            self.counts[place] += number
            if step.stamp in self.back_again:
                self.back[place] += number

    def exceeded(self, new_places: set[tuple[str, str]]) -> Iterator[str]:
        for kind, limits_of in (
            ("capacity", self.bounds.capacity),
            ("waiting", self.bounds.waiting),
            ("vo", self.bounds.vo),
        ):
            for name, limit in limits_of.items():
                place = (kind, name)
                allowance = 0 if place in new_places else self.back[place]
                if self.counts[place] - allowance > limit:
                    yield f"{kind} {name}: {self.counts[place]} of {limit}"


def replay(bounds: Bounds, steps: Iterable[Step]) -> list[str]:
    """Go through the history commit by commit; name the limits that are exceeded after one."""
    state, problems = _State(bounds), []
    for committed, group in groupby(steps, key=lambda step: step.committed):
        new_places: set[tuple[str, str]] = set()
        for step in group:
            state.take(step)
            if step.was is None:
                new_places |= {("capacity", step.ce), ("waiting", step.ce), ("vo", step.vo)}
        problems += [f"{what} at {committed}" for what in state.exceeded(new_places)]
    return problems


def bounds(database: Database) -> Bounds:
    """Read the limits."""
    facts = limits(database)
    return Bounds(facts.capacity, facts.waiting_limit, facts.vo_limit)


def steps(dsn: str) -> list[Step]:
    """Read the whole history, in the order of its commits."""
    with psycopg.connect(dsn) as connection:
        return [Step(*row) for row in connection.execute(COMMITS)]
