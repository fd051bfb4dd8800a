"""sweep: end holds whose time is over, and pilots that are late, idle or drained.

No CE is called. For a pilot that was sent, the cancellation is requested with its reason; the next
check, which is due at once, asks the CE to end it. An end that is requested because the pilot waits
applies only if that check says that it still waits.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from worker.db import ces, clock_set_back, health, locks, pilot_reads, pilots, sending, timeouts
from worker.db.sending import SendingChange
from worker.db.uow import Transaction
from worker.domain.pilot import Status
from worker.domain.sending import Sending
from worker.policy.learning import evaluate
from worker.policy.timeouts import past
from worker.services.runtime import Runtime, TaskResult, busy
from worker.services.tasks.idle import idle_for_long

DRAINED = "the drain of the CE has reached its end"


@dataclass(frozen=True)
class _Ends:
    """The pilots to cancel, each with its reason: never sent, or sent.

    Those of the sent ones that are to end only if they wait are in `if_waiting`, too.
    """

    unsent: dict[int, str] = field(default_factory=dict)
    sent: dict[int, str] = field(default_factory=dict)
    if_waiting: set[int] = field(default_factory=set)

    def ask(self, pilot_id: int, why: str, *, if_waiting: bool = False) -> None:
        """Add a pilot that was sent. An end whatever the pilot does counts before any other."""
        if not if_waiting:
            self.if_waiting.discard(pilot_id)
        elif pilot_id in self.sent:
            return
        else:
            self.if_waiting.add(pilot_id)
        self.sent[pilot_id] = why

    def lines(self, verb: str) -> tuple[str, ...]:
        """Return a line for each reason, with the number of its pilots."""
        counts = Counter([*self.unsent.values(), *self.sent.values()])
        return tuple(f"{verb} {count}: {why}" for why, count in sorted(counts.items()))


def sweep(runtime: Runtime) -> TaskResult:
    """End holds whose time is over, and the pilots that are to end."""
    with runtime.database.uow() as tx:
        if not locks.try_lock(tx, "sweep"):
            return busy("another execution sweeps")
        held = sending.holds_over(tx, runtime.now())
        for ce in held:
            _release(tx, runtime, ce)
        ends = _ends(tx, runtime, ces.drains_over(tx, runtime.now()))
        cancelled = pilots.cancel(
            tx, ends.unsent, ends.sent, runtime.now(), if_waiting=ends.if_waiting
        )
        # If the clock was set back, a process that had not noticed it yet may have stored moments
        # of the old clock, which are far ahead. They are moved back.
        clock_set_back.clamp(tx, runtime.now(), beyond=clock_set_back.VERY_FAR)
    counts = {"holds ended": len(held), "cancelled": cancelled}
    return TaskResult(counts=counts, lines=ends.lines("cancelled"))


def plan(runtime: Runtime) -> TaskResult:
    """Return what `sweep` would end now, and change nothing."""
    with runtime.database.uow() as tx:
        held = sending.holds_over(tx, runtime.now())
        drained = ces.drains_over(tx, runtime.now())
        ends = _ends(tx, runtime, drained)
    counts = {
        "holds that are over": len(held),
        "drains that are over": len(drained),
        "would cancel": len(ends.unsent) + len(ends.sent),
    }
    return TaskResult(counts=counts, lines=ends.lines("would cancel"))


def _release(tx: Transaction, runtime: Runtime, ce: str) -> None:
    """End a hold. If the CE's failures call for a pause meanwhile, the CE is paused instead."""
    locks.wait_for_lock(tx, "learn")  # which reads whether the CE is held, and writes it later
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
    earned, since = (pause.reason, pause.since) if pause else (None, None)
    sending.end_hold(tx, change, earned, since)


def _ends(tx: Transaction, runtime: Runtime, drained: Iterable[str]) -> _Ends:
    """Return the pilots to end. Without time-outs and drains no pilot is read."""
    now = runtime.now()
    ends = _Ends(sent=idle_for_long(tx, runtime))
    _add_late(tx, now, ends)
    if drained:
        for pilot_id, status, also_running in pilot_reads.left_by_drains(tx, now):
            if status is Status.RESERVED:
                ends.unsent[pilot_id] = DRAINED
            else:
                ends.ask(pilot_id, DRAINED, if_waiting=not also_running)
    return ends


def _add_late(tx: Transaction, now: datetime, ends: _Ends) -> None:
    """Add the pilots at CEs that are past a time-out of their CE or VO."""
    limits = timeouts.get_all(tx)
    for pilot in timeouts.late(tx, limits, now):
        both = limits.of_ces.get(pilot.ce_id), limits.of_vos.get(pilot.vo_id)
        late = past(pilot, [owner for owner in both if owner is not None], now)
        if late is not None:
            ends.ask(pilot.pilot_id, late.reason, if_waiting=late.of_waiting)
