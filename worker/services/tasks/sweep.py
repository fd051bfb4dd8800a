"""sweep: end pauses by hand and drains whose time is over."""

from worker.db import ces, clock_set_back, health, locks, pilot_reads, pilots, sending
from worker.db.sending import SendingChange
from worker.db.uow import Transaction
from worker.domain.sending import Sending
from worker.policy.learning import evaluate
from worker.services.runtime import Runtime, TaskResult, busy


def sweep(runtime: Runtime) -> TaskResult:
    """End pauses and drains whose time is over."""
    with runtime.database.uow() as tx:
        if not locks.try_lock(tx, "sweep"):
            return busy("another execution sweeps")
        held = sending.holds_over(tx, runtime.now())
        for ce in held:
            _release(tx, runtime, ce)
        drained = ces.drains_over(tx, runtime.now())
        cancelled = sum(_empty(tx, runtime, ce) for ce in drained)
        # A process that had not seen yet that the clock was set back gave moments of the old one.
        clock_set_back.clamp(tx, runtime.now(), beyond=clock_set_back.VERY_FAR)
    return TaskResult(counts={"resumed": len(held), "cancelled": cancelled})


def plan(runtime: Runtime) -> TaskResult:
    """Return what `sweep` would end now, and change nothing."""
    with runtime.database.uow() as tx:
        held = sending.holds_over(tx, runtime.now())
        drained = ces.drains_over(tx, runtime.now())
    return TaskResult(counts={"would resume": len(held), "drains that are over": len(drained)})


def _release(tx: Transaction, runtime: Runtime, ce: str) -> None:
    """End the pause by an operator. A pause that the CE has earned meanwhile follows it."""
    now, before = runtime.now(), health.get(tx, ce)
    configured = ces.get(tx, ce).success_rate
    pause = evaluate(
        before.learned, now=now, configured=configured, parameters=runtime.parameters
    ).pause
    became = Sending.PAUSED if pause else Sending.NORMAL
    why = "the time of its pause is over"
    change = SendingChange(
        ce=ce, was=before.sending, became=became, reason=why, by_hand=False, at=now
    )
    reason, since = (pause.reason, pause.since) if pause else (None, None)
    sending.change(tx, change, reason, since)


def _empty(tx: Transaction, runtime: Runtime, ce: str) -> int:
    """Cancel the pilots that wait at a CE, those sent by its next check; return how many."""
    unsent, sent = pilot_reads.unsent(tx, ce), pilot_reads.without_cancel_request(tx, ce)
    reason = "the CE's time to drain is over"
    return pilots.cancel_waiting(tx, unsent, sent, reason, runtime.now())
