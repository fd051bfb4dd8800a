"""The answers of the CE: accepted and refused orders, states of jobs, and cancellations.

All functions are pure; the driver reads and writes the world.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from worker.backends.sim import states
from worker.backends.sim.kinds import Fault
from worker.backends.sim.life import end_now, node_of
from worker.backends.sim.memory import SimJob
from worker.backends.sim.mishaps import new_job
from worker.backends.sim.options import SimOptions
from worker.backends.sim.replies import BROKEN_TEXT, Reply
from worker.domain.ce_answers import Observed, Order, Receipt
from worker.domain.pilot import Cause
from worker.domain.texts import one_line

__all__ = ["ended", "is_known", "judge", "new_job", "observe", "receipt"]


def judge(
    orders: Sequence[Order], room: int | None, reply: Reply
) -> tuple[list[Order], list[Receipt]]:
    """Return the orders that are accepted, and refusals of the others."""
    accepted: list[Order] = []
    refusals: list[Receipt] = []
    for order in orders:
        refusal = _refusal(order, reply)
        if refusal is None and room is not None and len(accepted) >= room:
            refusal = Receipt(
                stamp=order.stamp,
                refused=Cause.QUOTA,
                raw="QOS_MAX_JOBS",
                reason="no more jobs of this user are allowed",
            )
        if refusal is None:
            accepted.append(order)
        else:
            refusals.append(refusal)
    return accepted, refusals


def receipt(order: Order, handle: str, reply: Reply) -> Receipt:
    """Return the receipt of an order that was accepted."""
    return Receipt(
        stamp=order.stamp,
        handle=handle,
        raw=states.PENDING,
        reason=_reason(order.stamp, states.PENDING, reply),
    )


def is_known(job: SimJob, now: datetime, reply: Reply, options: SimOptions) -> bool:
    """Return whether the CE knows a job at this time, live or in its history."""
    forgets = reply.faults.get(Fault.FORGETS)
    if not job.is_shown(now) or (forgets is not None and forgets.hits(job.stamp)):
        return False
    ends_at = job.life.ends_at
    return ends_at is None or now < ends_at or now - ends_at < _seconds(options.known_for())


def observe(job: SimJob, handle: str, now: datetime, reply: Reply, seed: int) -> Observed:
    """Return the CE's answer about a job at this time."""
    life = job.life
    raw = life.word_at(now)
    strange_word = reply.faults.get(Fault.STRANGE_WORD)
    if strange_word is not None and strange_word.hits(job.stamp):
        raw = one_line(strange_word.settings.word)
    status, cause = states.meaning(raw)
    is_over = life.is_over(now)
    started_at = life.started_by(now)
    return Observed(
        stamp=job.stamp,
        handle=handle,
        status=status,
        cause=cause,
        raw=raw,
        reason=_reason(job.stamp, raw, reply),
        exit_code=life.exit_code if is_over else None,
        started_at=_skewed(started_at, reply),
        ended_at=_skewed(life.ends_at if is_over else None, reply),
        node=None if started_at is None else node_of(job.stamp, seed),
    )


def ended(jobs: Sequence[SimJob], now: datetime) -> list[SimJob]:
    """Cancel the jobs that have not ended by themselves; return only these."""
    return [
        replace(job, life=end_now(job.life, states.CANCELLED, now))
        for job in jobs
        if not job.life.is_over(now)
    ]


def _refusal(order: Order, reply: Reply) -> Receipt | None:
    if order.vo == reply.locked_out():
        return Receipt(
            stamp=order.stamp,
            refused=Cause.CREDENTIAL,
            raw="AUTH_FAILED",
            reason=f"the credential of VO {order.vo} has expired",
        )
    refuses = reply.faults.get(Fault.REFUSES)
    if refuses is None or refuses.settings.whole or not refuses.hits(order.stamp):
        return None
    return Receipt(
        stamp=order.stamp,
        refused=refuses.settings.cause,
        raw="REJECTED",
        reason=one_line(refuses.settings.reason),
    )


def _reason(stamp: str, raw: str, reply: Reply) -> str | None:
    garbles = reply.faults.get(Fault.GARBLES)
    if garbles is not None and garbles.hits(stamp):
        return one_line(BROKEN_TEXT)
    return states.REASONS.get(raw)


def _skewed(moment: datetime | None, reply: Reply) -> datetime | None:
    skewed = reply.faults.get(Fault.SKEWED)
    if moment is None or skewed is None:
        return moment
    return moment + _seconds(skewed.settings.seconds)


def _seconds(number: float) -> timedelta:
    return timedelta(seconds=min(number, 10**9))
