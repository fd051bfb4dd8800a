"""ask_demand: ask the source of a VO how many pilots it could use.

Claim (the lease, committed), ask, record (committed). The answer is kept; the allocation reads what
is kept and never waits for a source. While no answer is young enough, the rule of the VO says what
is done.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from worker.db import demands, vos
from worker.db.demands import Answer
from worker.db.uow import Transaction
from worker.demand import registry
from worker.demand.contract import Unknown
from worker.domain.errors import DemandUnknown
from worker.domain.schedule import Outcome
from worker.domain.vo import VO
from worker.services.ce_calls import Turn
from worker.services.runtime import Runtime, TaskResult, busy, skipped


@dataclass(frozen=True, kw_only=True)
class CurrentDemand:
    """The demand that counts now, and how it came about, if it was not set."""

    demand: int | None
    note: str | None = None
    certain: bool = True


def ask_demand(runtime: Runtime, vo_name: str) -> TaskResult:
    """Ask the source of a VO."""
    with runtime.database.uow() as tx:
        vo = vos.get(tx, vo_name)
        if vo.source is None:
            return skipped(f"VO {vo_name} has no demand source")
        turn = Turn.take(tx, runtime, f"demand:{vo_name}")
        if turn is None:
            return busy(f"another execution asks for VO {vo_name}")
    with turn:
        return _ask(turn, vo, vo.source)


def _ask(turn: Turn, vo: VO, source: Mapping[str, Any]) -> TaskResult:
    now, uow = turn.runtime.now, turn.runtime.database.uow
    asked_at = now()
    try:
        demand = registry.ask(vo.name, source)
    except DemandUnknown as error:
        with uow() as tx:
            demands.failed(tx, vo.name, ": ".join(map(str, error.details)), asked_at)
            turn.give_back(tx)
        return TaskResult(outcome=Outcome.FAILED, lines=(str(error),))
    with uow() as tx:
        demands.answered(tx, vo.name, demand, now(), asked_at=asked_at)
        turn.give_back(tx)
    return TaskResult(counts={"demand": demand})


def plan(runtime: Runtime, vo_name: str) -> TaskResult:
    """Return what `ask_demand` would ask; ask nobody."""
    with runtime.database.uow() as tx:
        vo = vos.get(tx, vo_name)
        demand = current_demand(vo, demands.get_all(tx).get(vo_name, demands.NONE), runtime.now())
    count = 0 if vo.source is None else 1
    return TaskResult(counts={"would ask": count}, lines=(demand.note,) if demand.note else ())


def with_source(tx: Transaction, now: datetime) -> list[str]:
    """Name the enabled VOs that have a source."""
    return vos.with_source(tx)


def current_demand(vo: VO, answer: Answer, now: datetime) -> CurrentDemand:
    """Return the demand that counts now: that of the VO itself, or the answer of its source."""
    if vo.source is None:
        return CurrentDemand(demand=vo.demand)
    source, options = registry.check(vo.source)
    age = None if answer.answered_at is None else now - answer.answered_at
    if answer.demand is not None and age is not None and age <= timedelta(seconds=options.keep):
        line = f"{source.name} answered {answer.demand} {age.total_seconds():.0f} s ago"
        return CurrentDemand(demand=answer.demand, note=line)
    since = "never" if answer.answered_at is None else f"last at {answer.answered_at:%H:%M:%S}Z"
    why = f"demand unknown: {source.name} answered {since}"
    if answer.problem:
        why += f" ({answer.problem})"
    demand = {Unknown.HOLD: 0, Unknown.TRICKLE: options.trickle, Unknown.FILL: None}
    note = f"{why}; the rule is {options.unknown}"
    return CurrentDemand(demand=demand[options.unknown], note=note, certain=False)
