"""Simpler policies: for comparison with others, and for installations that prefer one."""

from collections.abc import Callable, Sequence
from math import inf
from typing import Unpack

from worker.domain.decision import Decision
from worker.policy import traces
from worker.policy.contract import PolicyArguments
from worker.policy.facts import CEFacts, VOFacts
from worker.policy.needed import in_all
from worker.policy.sharing import scarce


def fill_all(**arguments: Unpack[PolicyArguments]) -> list[Decision]:
    """Fill every free slot; if there are not enough pilots, share them out by room."""
    return _by_weight("fill_all", lambda ce: 1.0, arguments)


def proportional(**arguments: Unpack[PolicyArguments]) -> list[Decision]:
    """Share pilots out by the room of each CE times its chance; pauses are ignored."""
    return _by_weight("proportional", _chance, arguments)


def _chance(ce: CEFacts) -> float:
    return ce.success_rate if ce.chances is None else ce.chances.all


def _by_weight(
    policy: str, weight_of: Callable[[CEFacts], float], arguments: PolicyArguments
) -> list[Decision]:
    vo, budget, ces = arguments["vo"], arguments["budget"], arguments["ces"]
    need = _need(vo, budget, ces)
    weights = {ce.name: ce.free * weight_of(ce) for ce in ces if _may_get(vo, ce)}
    rooms = {ce.name: ce.free for ce in ces if weights.get(ce.name, 0) > 0}
    grants = scarce(min(need, sum(rooms.values())), rooms, {n: weights[n] for n in rooms})
    facts = traces.writer(vo, budget)
    return [
        Decision(
            vo=vo.name,
            ce=ce.name,
            at=arguments["now"],
            granted=grants.get(ce.name, 0),
            reason=_reason(vo, ce, grants.get(ce.name, 0), need, weight_of(ce)),
            trace={
                **facts(ce),
                "policy": policy,
                "need": need,
                "weight": round(weights.get(ce.name, 0.0), 6),
            },
        )
        for ce in sorted(ces, key=lambda ce: ce.name)
    ]


def _need(vo: VOFacts, budget: int, ces: Sequence[CEFacts]) -> int:
    waiting = sum(ce.vo_waiting for ce in ces)
    demand = inf if vo.demand is None else max(0, vo.demand - waiting)
    left = in_all(vo)
    demand = demand if left is None else min(demand, left)
    room = inf if vo.room is None else max(0, vo.room)
    return 0 if vo.closed else int(min(demand, room, max(0, budget)))


def _may_get(vo: VOFacts, ce: CEFacts) -> bool:
    return not vo.closed and not ce.closed and ce.free > 0


def _reason(vo: VOFacts, ce: CEFacts, granted: int, need: int, rate: float) -> str:
    if vo.closed or ce.closed:
        return str(vo.closed or ce.closed)
    if ce.free <= 0:
        return "no free slot"
    if rate <= 0:
        return "success rate 0"
    if need == 0:
        return "nothing needed"
    part = f"free {ce.free}, weight {rate:.2f}"
    return f"{part}: gets {granted} of {need}" if granted < ce.free else f"{part}: all free slots"
