"""ask_demand: ask the demand source of a VO how many pilots it could use.

Claim (the lease, committed), ask, record (committed). The answer is stored; the allocation reads
the stored answer and never waits for a source. If the demand has grown, or a source answers again
after a failure, the allocation is nudged: its own tick, which fires at the same time as this task,
has read the previous answer. While no answer is recent enough, the rule of the VO decides. An
answer of a source that the VO no longer has is dropped.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

from worker.db import demands, schedules, vos
from worker.db.uow import Transaction
from worker.demand import registry
from worker.domain.errors import DemandUnknown, Invalid
from worker.domain.schedule import Outcome
from worker.domain.vo import VO
from worker.services.current_demand import DemandFacts, held_total
from worker.services.runtime import Runtime, TaskResult, busy, skipped
from worker.services.turns import Turn

AROUND = timedelta(seconds=10)
"""The time that the claim and the record need, besides the question itself."""

ALLOCATION = "submit_pilots"
"""The task that reads the answers."""


def ask_demand(runtime: Runtime, vo_name: str) -> TaskResult:
    """Ask the demand source of a VO."""
    with runtime.database.uow() as tx:
        vo = vos.get(tx, vo_name)
        if vo.source is None:
            return skipped(f"VO {vo_name} has no demand source")
        turn = Turn.take(tx, runtime, f"demand:{vo_name}", _longest(runtime, vo.source))
        if turn is None:
            return busy(f"another execution asks for VO {vo_name}")
    with turn:
        return _ask(turn, vo, vo.source)


def _longest(runtime: Runtime, source: Mapping[str, Any]) -> timedelta:
    """Return how long a question takes at most: a killed execution blocks the next no longer."""
    with suppress(Invalid):  # the question itself reports what is wrong
        timeout = timedelta(seconds=registry.check(source)[1].timeout)
        return min(runtime.lease, 2 * timeout + AROUND)
    return runtime.lease


def _ask(turn: Turn, vo: VO, source: Mapping[str, Any]) -> TaskResult:
    now, uow = turn.runtime.now, turn.runtime.database.uow
    asked_at = now()
    try:
        demand = registry.ask(vo.name, source)
    except DemandUnknown as error:
        with uow() as tx:
            if not _is_asked(tx, vo, source):
                return _dropped(tx, turn, vo)
            demands.failed(tx, vo.name, ": ".join(map(str, error.details)), asked_at)
            turn.give_back(tx)
        return TaskResult(outcome=Outcome.FAILED, lines=(str(error),))
    with uow() as tx:
        if not _is_asked(tx, vo, source):
            return _dropped(tx, turn, vo)
        at, before = now(), demands.get_all(tx).get(vo.name, demands.NONE)
        held = held_total(tx, vo, source, demand, before.held_total, at)
        last_demand = 0 if before.problem else before.demand or 0
        if demand > last_demand and schedules.is_enabled(tx, ALLOCATION, vo.name):
            tx.after_commit(partial(turn.runtime.nudge, ALLOCATION, vo.name))
        demands.answered(tx, vo.name, demand, at, asked_at=asked_at, held=held)
        turn.give_back(tx)
    return TaskResult(counts={"demand": demand})


def _is_asked(tx: Transaction, vo: VO, source: Mapping[str, Any]) -> bool:
    """Return whether a VO still has this source; it then stays until the end of the record."""
    return vos.get(tx, vo.name, locked=True).source == source


def _dropped(tx: Transaction, turn: Turn, vo: VO) -> TaskResult:
    turn.give_back(tx)
    return skipped(f"the source of VO {vo.name} was changed meanwhile")


def plan(runtime: Runtime, vo_name: str) -> TaskResult:
    """Return what `ask_demand` would ask; ask nobody."""
    with runtime.database.uow() as tx:
        vo = vos.get(tx, vo_name)
        demand = DemandFacts.read(tx, [vo]).of(vo, runtime.now())
    count = 0 if vo.source is None else 1
    return TaskResult(counts={"would ask": count}, lines=(demand.note,) if demand.note else ())
