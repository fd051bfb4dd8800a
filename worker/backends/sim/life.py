"""The life of a job: drawn when the CE accepts it, changed later only by faults and cancellation.

All functions are pure. The state of a job at a given time follows from its life and that time. So
no process has to run to advance the jobs, and the clock may jump.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from random import Random

from worker.backends.sim import states
from worker.backends.sim.options import SimOptions, Spread
from worker.backends.sim.states import ENDS
from worker.domain.pilot import Cause

LONGEST = timedelta(days=36500)
"""The longest time of anything, so that no computed time is beyond what `datetime` can hold."""


NODES = 16
"""The number of nodes of a simulated CE."""


@dataclass(frozen=True, kw_only=True)
class JobLife:
    """When a job starts and ends, and how it ends.

    Without `starts_at` a job never runs; without `ends_at` it never ends by itself. From
    `stopped_at` to `restarts_at` it waits again.
    """

    starts_at: datetime | None = None
    stopped_at: datetime | None = None
    restarts_at: datetime | None = None
    ends_at: datetime | None = None
    fate: str = states.COMPLETED
    exit_code: int | None = None

    def word_at(self, now: datetime) -> str:
        """Return the CE's word for the job at this time."""
        if self.is_over(now):
            return self.fate
        if self.starts_at is None or now < self.starts_at:
            return states.PENDING if self.starts_at or self.ends_at else states.HELD
        if self.stopped_at and self.restarts_at and self.stopped_at <= now < self.restarts_at:
            return states.REQUEUED
        return states.RUNNING

    def is_over(self, now: datetime) -> bool:
        """Return whether the job has ended by this time."""
        return self.ends_at is not None and self.ends_at <= now

    def started_by(self, now: datetime) -> datetime | None:
        """Return the job's last start up to this time: its restart, if it was stopped before."""
        last = min(now, self.ends_at) if self.ends_at else now
        for moment in (self.restarts_at, self.starts_at):
            if moment is not None and moment <= last:
                return moment
        return None


def draw_life(
    options: SimOptions,
    success_rate: float,
    stamp: str,
    now: datetime,
    forced: Cause | None = None,
) -> JobLife:
    """Draw the life of a job that is accepted now; the same stamp always gives the same life."""
    chance = Random(f"{options.seed}:{stamp}")  # noqa: S311 - dice, not a secret
    # All random numbers are drawn in any case, so that an option does not change what the others
    # decide.
    queue = _draw(chance, options.spread, options.queue_time)
    run = _draw(chance, options.spread, options.run_time)
    luck, share = chance.random(), chance.random()
    [drawn] = chance.choices(list(options.failures), list(options.failures.values()))
    if forced is None and luck < success_rate:
        begin = now + queue
        return JobLife(starts_at=begin, ends_at=begin + run, exit_code=0)
    cause = forced or drawn
    end = ENDS[cause]
    if cause is Cause.NEVER_STARTED:
        return JobLife(ends_at=now + queue, fate=end.word)
    had = end.earliest + (end.latest - end.earliest) * share
    return JobLife(
        starts_at=now + queue,
        ends_at=now + queue + run * had,
        fate=end.word,
        exit_code=end.exit_code,
    )


def end_now(life: JobLife, fate: str, now: datetime) -> JobLife:
    """End a job that is not over; a job that has not started then never starts."""
    started = life.starts_at if life.starts_at and life.starts_at <= now else None
    return replace(life, starts_at=started, ends_at=now, fate=fate, exit_code=None)


def hold(life: JobLife, now: datetime) -> JobLife:
    """Prevent a job from ever starting; a job that has started is not changed."""
    if life.starts_at is not None and life.starts_at <= now:
        return life
    return replace(life, starts_at=None, ends_at=None)


def requeue(life: JobLife, at: datetime, seconds: float) -> JobLife:
    """Stop a running job at a given time; it restarts after `seconds`, with its full run time."""
    if life.word_at(at) != states.RUNNING:
        return life
    pause = min(timedelta(seconds=seconds), LONGEST)
    ends_at = life.ends_at + pause if life.ends_at else None
    return replace(life, stopped_at=at, restarts_at=at + pause, ends_at=ends_at)


def midway(life: JobLife) -> datetime | None:
    """Return the middle of a job's run; its start if it has no end, `None` without a start."""
    if life.starts_at is None or life.ends_at is None:
        return life.starts_at
    return life.starts_at + (life.ends_at - life.starts_at) / 2


def node_of(stamp: str, seed: int) -> str:
    """Return the name of the node of a job: one of a few, always the same for the same stamp."""
    return f"node{int(lot('node', str(seed), stamp) * NODES) + 1:02d}"


def lot(*parts: str) -> float:
    """Return a number from 0 to 1 that depends only on these words."""
    digest = sha256("\0".join(parts).encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


def _draw(chance: Random, spread: Spread, mean: float) -> timedelta:
    uniform, exponential = chance.uniform(0.5, 1.5), min(chance.expovariate(1.0), 5.0)
    factor = {Spread.FIXED: 1.0, Spread.UNIFORM: uniform, Spread.EXPONENTIAL: exponential}[spread]
    return min(timedelta(seconds=min(mean * factor, LONGEST.total_seconds())), LONGEST)
