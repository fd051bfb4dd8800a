"""The stored cycles: the last one of each VO, a single one as a whole, those of an hour."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from worker.db import decisions
from worker.db.decisions import Cycle
from worker.domain.access import Role
from worker.domain.decision import Decision
from worker.policy.allocation import interval_begin, three_chances
from worker.policy.facts import CEFacts, VOFacts
from worker.policy.traces import facts_of
from worker.services.allowed import allowed_to
from worker.services.runtime import Runtime

__all__ = [
    "THREE_CHANCES",
    "Cycle",
    "DecisionFacts",
    "cycles_between",
    "facts_behind",
    "granted_by_ce",
    "interval_begin",
    "last_cycles",
    "last_moment",
]

THREE_CHANCES = three_chances.__name__
"""The policy whose decisions can be explained number by number."""


CLOCKS_DIFFER = timedelta(minutes=1)
"""By so much the clock of a worker may be ahead of ours."""


def last_moment(at: datetime | None, now: datetime) -> datetime:
    """Return the moment up to which decisions are read.

    Those of a clock that was set back later are far ahead, and are read only if somebody asks for
    their time.
    """
    return at or now + CLOCKS_DIFFER


@dataclass(frozen=True, kw_only=True)
class DecisionFacts:
    """A decision, and the facts on which it is based."""

    decision: Decision
    vo: VOFacts
    ce: CEFacts


def facts_behind(decision: Decision) -> DecisionFacts | None:
    """Return the facts of a decision; `None` if its policy has not stored them."""
    if "ce" not in decision.trace or "vo" not in decision.trace:
        return None
    vo, ce = facts_of(decision)
    return DecisionFacts(decision=decision, vo=vo, ce=ce)


def granted_by_ce(cycles: Sequence[Cycle]) -> dict[str, int]:
    """Return how many pilots each CE got in these cycles, by its name."""
    names = sorted({ce for cycle in cycles for ce in cycle.granted})
    return {ce: sum(cycle.granted.get(ce, 0) for cycle in cycles) for ce in names}


@allowed_to(Role.READ)
def last_cycles(
    runtime: Runtime, vo: str | None = None, *, until: datetime | None = None
) -> list[Cycle]:
    """Return the last cycle up to a moment, of one VO or of each."""
    with runtime.database.uow() as tx:
        return decisions.last_cycles(tx, vo, until=last_moment(until, runtime.now()))


@allowed_to(Role.READ)
def cycles_between(
    runtime: Runtime, vo: str, begin: datetime, end: datetime, *, ce: str | None = None
) -> list[Decision]:
    """List the decisions for a VO, at one CE or at all, in order of cycles; the end is included."""
    with runtime.database.uow() as tx:
        return decisions.between(tx, begin, end + timedelta.resolution, vo=vo, ce=ce)
