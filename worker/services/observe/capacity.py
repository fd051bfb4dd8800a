"""The capacity of a VO, for its demand source: its pilots, and how many more it could get now."""

from dataclasses import dataclass

from worker.db.slots import CESlots
from worker.domain.access import Role
from worker.services.allowed import allowed_to
from worker.services.facts import facts_of
from worker.services.runtime import Runtime
from worker.services.tasks.submit_pilots import decide, read_situation


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """The pilots of a VO, and how many more it could get."""

    vo: str
    occupying: int
    """Pilots that occupy a slot: those that wait or run."""
    waiting: int
    running: int
    limit: int | None
    free: int
    """Slots that it could get now: the free ones of CEs that are open to it, within its limit."""
    wanted: int | None
    """Pilots that it wants in all, where the number is known."""
    demand: int | None
    """Pilots that it could use, including those that wait; null means any number."""
    next: int
    """Pilots that the next cycle would send."""
    would_send: bool
    """Whether the next cycle would send any."""
    closed: str | None
    """Why it gets no pilots at all; null if it may get some."""


@allowed_to(Role.READ)
def capacity_of(runtime: Runtime, name: str) -> Capacity:
    """Return the pilots of a VO, and how many more it could get now; nothing is changed."""
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
