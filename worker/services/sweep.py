"""sweep: do what a moment asks for: end pauses by hand, and drains whose time is over."""

from worker.db import breakers, ces, health, locks, mover, pilot_reads, pilots
from worker.db.breakers import BreakerChange
from worker.db.uow import Transaction
from worker.domain.breaker import Breaker
from worker.domain.pilot import Move, Status
from worker.policy.learning import judge
from worker.services.parts import Done, Parts, busy


def sweep(parts: Parts) -> Done:
    """End what is over."""
    with parts.database.uow() as tx:
        if not locks.try_lock(tx, "sweep"):
            return busy("another execution sweeps")
        held = breakers.held_until(tx, parts.now())
        for ce in held:
            release(tx, parts, ce, "the time of its pause is over", by_hand=False)
        drained = ces.drained_by(tx, parts.now())
        cancelled = sum(_empty(tx, parts, ce) for ce in drained)
    return Done(counts={"reopened": len(held), "cancelled": cancelled})


def plan(parts: Parts) -> Done:
    """Say what `sweep` would end now, and change nothing."""
    with parts.database.uow() as tx:
        held = breakers.held_until(tx, parts.now())
        drained = ces.drained_by(tx, parts.now())
    return Done(counts={"would reopen": len(held), "drains that are over": len(drained)})


def release(tx: Transaction, parts: Parts, ce: str, reason: str, *, by_hand: bool) -> Breaker:
    """End the pause that an operator made; the breaker is what the CE has earned meanwhile."""
    now, was = parts.now(), health.get(tx, ce)
    configured = ces.get(tx, ce).success_rate
    pause = judge(was.rates, now=now, configured=configured, parameters=parts.parameters).pause
    became = Breaker.OPEN if pause else Breaker.CLOSED
    reason_left, since = (pause.reason, pause.since) if pause else (None, None)
    breakers.put(tx, ce, became, reason_left, since)
    change = BreakerChange(
        ce=ce,
        was=was.breaker,
        became=became,
        reason=reason,
        by_hand=by_hand,
        until=None,
        at=now,
    )
    breakers.add(tx, [change])
    return became


def _empty(tx: Transaction, parts: Parts, ce: str) -> int:
    """Cancel what waits at a CE; it is asked by the checks. Tell how many were told to go now."""
    now = parts.now()
    unsent = pilot_reads.unsent(tx, ce)
    moves = [
        Move(
            pilot_id=one,
            was=Status.RESERVED,
            to=Status.CANCELLED,
            reason="the CE's time to drain is over",
        )
        for one in unsent
    ]
    mover.move(tx, moves, now)
    waiting = pilot_reads.not_asked_to_go(tx, ce)
    pilots.request_cancel(tx, waiting, now)
    pilots.check_soon(tx, waiting, now)
    return len(unsent) + len(waiting)
