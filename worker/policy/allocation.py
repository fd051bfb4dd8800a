"""Who gets how many: free slots, weighted by success rate, with the largest remainder.

Every fact is in the arguments; nothing that is returned exceeds the free slots that were given.
Each step leaves a line in the trace of its decision, in the words that `explain` prints.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from worker.domain.decision import Decision


@dataclass(frozen=True, kw_only=True)
class CEFacts:
    """What a decision about one CE needs to know. `closed` says why it gets nothing at all."""

    name: str
    free: int
    success_rate: float
    closed: str | None = None


@dataclass(frozen=True, kw_only=True)
class VOFacts:
    """What a decision for one VO needs to know. `None` is unlimited."""

    name: str
    demand: int | None
    waiting: int
    room: int | None
    closed: str | None = None


def allocate(*, now: datetime, vo: VOFacts, budget: int, ces: Sequence[CEFacts]) -> list[Decision]:
    """Decide how many pilots of a VO each CE gets; one decision for each CE, whatever it is."""
    need, caps = _need(vo, budget)
    shares = _shares(need, ces)
    return [
        Decision(
            vo=vo.name,
            ce=ce.name,
            at=now,
            granted=shares[ce.name],
            reason=_reason(vo, ce, shares[ce.name], need, caps),
            trace={
                "demand": vo.demand,
                "waiting": vo.waiting,
                "vo_room": vo.room,
                "budget": budget,
                "need": need,
                "free": ce.free,
                "success_rate": ce.success_rate,
                "weight": _weight(ce),
                "closed": vo.closed or ce.closed,
            },
        )
        for ce in sorted(ces, key=lambda ce: ce.name)
    ]


def _need(vo: VOFacts, budget: int) -> tuple[int, str]:
    """Tell how many pilots the VO gets at the most, and which cap decided."""
    if vo.closed:
        return 0, vo.closed
    caps = [(budget, f"the budget of a tick is {budget}")]
    if vo.demand is not None:
        unmet = max(0, vo.demand - vo.waiting)
        caps.append((unmet, f"demand {vo.demand}, of which {vo.waiting} wait already"))
    if vo.room is not None:
        caps.append((max(0, vo.room), f"the VO's limit leaves room for {max(0, vo.room)}"))
    return min(caps)


def _shares(need: int, ces: Sequence[CEFacts]) -> dict[str, int]:
    """Share out what is needed by weight, never more than is free, nothing left over."""
    shares = {ce.name: 0 for ce in ces}
    room = {ce.name: ce.free for ce in ces if _weight(ce) > 0}
    weights = {ce.name: _weight(ce) for ce in ces}
    left = min(need, sum(room.values()))
    while left > 0:
        given = _largest_remainder(left, {name: weights[name] for name in room})
        for name, count in given.items():
            taken = min(count, room[name])
            shares[name] += taken
            room[name] -= taken
            left -= taken
        room = {name: free for name, free in room.items() if free > 0}
    return shares


def _largest_remainder(total: int, weights: dict[str, float]) -> dict[str, int]:
    whole = sum(weights.values())
    exact = {name: total * weight / whole for name, weight in weights.items()}
    given = {name: int(share) for name, share in exact.items()}
    rest = total - sum(given.values())
    # Ties go by name, so that the order of the arguments changes nothing.
    for name in sorted(exact, key=lambda name: (given[name] - exact[name], name))[:rest]:
        given[name] += 1
    return given


def _weight(ce: CEFacts) -> float:
    return 0.0 if ce.closed or ce.free <= 0 else ce.free * ce.success_rate


def _reason(vo: VOFacts, ce: CEFacts, granted: int, need: int, caps: str) -> str:
    if vo.closed or ce.closed:
        return str(vo.closed or ce.closed)
    if ce.free <= 0:
        return "no free slot"
    if ce.success_rate <= 0:
        return "success rate 0"
    part = f"free {ce.free}, success rate {ce.success_rate:.2f}"
    if need == 0:
        return f"nothing needed: {caps}"
    return f"{part}: gets {granted} of {need}" if granted < ce.free else f"{part}: all free slots"
