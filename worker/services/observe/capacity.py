"""What a demand source may expect: what a VO has, and how many more pilots it could get now."""

from dataclasses import dataclass

from worker.db.slots import CESlots
from worker.domain.access import Role
from worker.services.allowed import allowed_to
from worker.services.facts import facts_of
from worker.services.runtime import Runtime
from worker.services.tasks.submit_pilots import decide, read_situation


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """The pilots of a VO, and what it could get."""

    vo: str
    occupying: int
    """Pilots that occupy a slot: those that wait or run."""
    waiting: int
    running: int
    limit: int | None
    free: int
    """Slots that it could get now: those of CEs that may get its pilots, within its limit."""
    wanted: int | None
    """Pilots that it wants altogether, where that is counted."""
    demand: int | None
    """Pilots that it could use, those that wait included; null is any number."""
    next: int
    """Pilots that the next cycle would send."""
    would_send: bool
    """Whether the next cycle would send any."""
    closed: str | None
    """Why it gets none at all, if so."""


@allowed_to(Role.READ)
def capacity_of(runtime: Runtime, name: str) -> Capacity:
    """Return what a VO has, and what it could get now; nothing is changed."""
    with runtime.database.uow() as tx:
        situation = read_situation(tx, runtime, name)
    facts = facts_of(situation, runtime.budget, runtime.parameters)
    granted = sum(decision.granted for decision in decide(runtime, situation))
    occupying, waiting = _pilots(situation.ces)
    free = sum(ce.free for ce in facts.ces if ce.closed is None)
    room = free if facts.vo.room is None else min(free, max(0, facts.vo.room))
    return Capacity(
        vo=name,
        occupying=occupying,
        waiting=waiting,
        running=occupying - waiting,
        limit=facts.vo.limit,
        free=0 if facts.vo.closed else room,
        wanted=facts.vo.wanted,
        demand=facts.vo.demand,
        next=granted,
        would_send=granted > 0,
        closed=facts.vo.closed,
    )


def _pilots(ces: tuple[CESlots, ...]) -> tuple[int, int]:
    return sum(ce.vo_occupying for ce in ces), sum(ce.vo_waiting for ce in ces)
