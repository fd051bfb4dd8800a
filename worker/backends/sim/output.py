"""The output that a simulated pilot has written by a given time."""

from collections.abc import Iterator
from datetime import datetime

from worker.backends.sim import states
from worker.backends.sim.life import lot
from worker.backends.sim.memory import SimJob
from worker.backends.sim.options import SimOptions
from worker.domain.ce_answers import Output
from worker.domain.texts import abridged

LIMIT = 65_536
"""The most characters of an output that are returned."""

_ROOM = 100
"""Characters that are reserved for the note in place of the middle."""


def of(job: SimJob, now: datetime, options: SimOptions) -> Output:
    """Return what the pilot has written; the middle of a long output is left out."""
    text = "".join(f"{line}\n" for line in _lines(job, now, options))
    if len(text) <= LIMIT:
        return Output(text=text)
    half = (LIMIT - _ROOM) // 2
    left_out = len(text) - 2 * half
    return Output(text=abridged(text[:half], left_out, text[-half:], "characters"), truncated=True)


def _lines(job: SimJob, now: datetime, options: SimOptions) -> Iterator[str]:
    started = job.life.started_by(now)
    if started is None:
        return
    node = f"node{int(lot('node', job.stamp) * 100):02d}"
    yield f"{started:%Y-%m-%d %H:%M:%S}Z pilot {job.stamp} of VO {job.vo} starts on {node}"
    yield "the machine has 8 cores and 16000 MB"
    done = int(options.output_lines * _progress(job, started, now))
    for number in range(1, done + 1):
        yield f"work item {number} of {options.output_lines} is done"
    if job.life.ends_at is not None and job.life.is_over(now):
        word = job.life.fate
        reason = states.REASONS.get(word, "nothing is left to do")
        yield f"{job.life.ends_at:%Y-%m-%d %H:%M:%S}Z pilot ends: {word}, {reason}"


def _progress(job: SimJob, started: datetime, now: datetime) -> float:
    ends_at = job.life.ends_at
    if ends_at is None:
        return 0.0
    if ends_at <= now or ends_at <= started:
        return 1.0
    return (now - started) / (ends_at - started)
