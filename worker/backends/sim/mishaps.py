"""Effects of faults on jobs: on new jobs when they are accepted, on other jobs at once."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from worker.backends.sim import states
from worker.backends.sim.kinds import Active, Fault
from worker.backends.sim.life import JobLife, draw_life, end_now, hold, midway, requeue
from worker.backends.sim.memory import SimJob
from worker.backends.sim.options import SimOptions
from worker.domain.ce_answers import Order
from worker.domain.pilot import Cause

FORCED: Mapping[Fault, Cause] = {
    Fault.FAILS_FAST: Cause.FAILED_FAST,
    Fault.FAILS_LATE: Cause.FAILED_LATE,
    Fault.KILLS: Cause.NODE,
    Fault.REMOVES: Cause.REMOVED,
}
"""The cause for which a new job fails that has one of these faults; the first fault counts."""


def new_job(
    order: Order,
    options: SimOptions,
    success_rate: float,
    now: datetime,
    faults: Mapping[Fault, Active],
) -> SimJob:
    """Return a job that is accepted now, with its life and the effects of the faults."""
    struck = {fault: active for fault, active in faults.items() if active.hits(order.stamp)}
    forced = next((cause for fault, cause in FORCED.items() if fault in struck), None)
    life = draw_life(options, success_rate, order.stamp, now, forced)
    if Fault.HOLDS in struck:
        life = hold(life, now)
    if Fault.REQUEUES in struck:
        life = _requeue_midway(life, struck[Fault.REQUEUES].settings.seconds)
    delay = options.visibility_delay
    if Fault.LATE in struck:
        delay = max(delay, struck[Fault.LATE].settings.seconds)
    forgotten = struck.get(Fault.FORGETS)
    return SimJob(
        stamp=order.stamp,
        vo=order.vo,
        accepted_at=now,
        visible_at=now + timedelta(seconds=delay),
        life=life,
        forgotten_at=now if forgotten and forgotten.settings.for_ever else None,
    )


def strike(job: SimJob, active: Active, now: datetime) -> SimJob:
    """Apply a fault that is switched on now to a job that has not ended."""
    if not active.hits(job.stamp):
        return job
    if active.fault is Fault.FORGETS and active.settings.for_ever:
        return replace(job, forgotten_at=now)
    return replace(job, life=_struck(job.life, active, now))


def _struck(life: JobLife, active: Active, now: datetime) -> JobLife:
    match active.fault:
        case Fault.HOLDS:
            return hold(life, now)
        case Fault.REQUEUES:
            return requeue(life, now, active.settings.seconds)
        case Fault.REMOVES:
            return end_now(life, states.ENDS[Cause.REMOVED].word, now)
        case Fault.KILLS if life.word_at(now) == states.RUNNING:
            return end_now(life, states.ENDS[Cause.NODE].word, now)
        case _:
            return life


def _requeue_midway(life: JobLife, seconds: float) -> JobLife:
    moment = midway(life)
    return life if moment is None else requeue(life, moment, seconds)
