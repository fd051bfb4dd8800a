"""The verdict: compares the CE with the database, by stamp. All functions are pure."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import NamedTuple

from tests.chaos.observer import Step
from worker.domain.pilot import FINAL, Cause, Status


class Row(NamedTuple):
    """What the database says of one pilot."""

    stamp: str
    status: str
    cause: str | None = None
    exit_code: int | None = None


class Job(NamedTuple):
    """One start of a job at the CE, as the CE itself knows it.

    `code` is its exit code; a job without one was killed, never started, or has not ended.
    """

    stamp: str
    started: bool = True
    code: int | None = None
    ended: bool = True
    began: float | None = None
    """When it began, if that is known."""
    until: float | None = None
    """When its pilot wrote that it ends."""
    lie: str | None = None
    """The lie of its pilot."""
    broke: bool = False
    """Whether its keeper was killed by its lying pilot or the tormentor: only the lie is left."""


@dataclass
class Verdict:
    """What is wrong, by kind."""

    lost: list[str] = field(default_factory=list)
    duplicate: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    exceeded: list[str] = field(default_factory=list)
    freed_too_soon: list[str] = field(default_factory=list)
    ended_though_wanted: list[str] = field(default_factory=list)
    deadlocks: list[str] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)
    never_recovered: list[str] = field(default_factory=list)
    left_behind: list[str] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """Count what is wrong, by kind."""
        return {one.name: len(getattr(self, one.name)) for one in fields(self)}

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong."""
        return not any(self.counts().values())


def lost(rows: Sequence[Row], jobs: Sequence[Job]) -> list[str]:
    """Name the jobs without a row, and the rows whose end is not that of the job."""
    by_stamp = {row.stamp: row for row in rows}
    at_ce = {job.stamp: job for job in jobs}
    strangers = [f"{stamp}: no row stands for this job" for stamp in at_ce if stamp not in by_stamp]
    wrong = [
        f"{row.stamp}: the row says {_description(row)}, but {why}"
        for row in rows
        if row.status in FINAL and (why := _contradiction(row, at_ce.get(row.stamp)))
    ]
    return strangers + wrong


def duplicate(rows: Sequence[Row], jobs: Sequence[Job]) -> list[str]:
    """Name the stamps that the CE has twice, or that two rows have."""
    there = Counter(job.stamp for job in jobs)
    per_row = Counter(row.stamp for row in rows)
    return [
        *(f"{stamp}: {n} jobs" for stamp, n in there.items() if n > 1),
        *(f"{stamp}: {n} rows" for stamp, n in per_row.items() if n > 1),
    ]


def stuck(rows: Sequence[Row]) -> list[str]:
    """Name the pilots that have not ended."""
    return [f"{row.stamp}: still {row.status}" for row in rows if row.status not in FINAL]


def freed_too_soon(steps: Sequence[Step], jobs: Sequence[Job]) -> list[str]:
    """Name the pilots whose slots were freed before their jobs ended."""
    until = {job.stamp: job.until for job in jobs if job.until is not None}
    return [
        f"{step.stamp}: {step.became} before its job ended"
        for step in steps
        if step.became in ENDS and _seconds(step.committed) < until.get(step.stamp, 0)
    ]


def ended_though_wanted(rows: Sequence[Row], removed: Collection[str]) -> list[str]:
    """Name the pilots whose jobs were cancelled though nobody wished it.

    `removed` are the stamps whose jobs the tormentor removed. Any other removal must be ours: a CE
    took the pilot of another CE for an unwanted one.
    """
    return [
        f"{row.stamp}: its job was removed, and nobody wished it"
        for row in rows
        if row.cause == Cause.REMOVED and row.stamp not in removed
    ]


ENDS = (Status.DONE, Status.FAILED)
"""The statuses that follow from the end that a CE reports."""


def _seconds(moment: datetime | float) -> float:
    return moment.timestamp() if isinstance(moment, datetime) else moment


def _contradiction(row: Row, job: Job | None) -> str | None:
    if job is None or not job.started:
        return _without_start(row)
    if not job.ended:
        return "the job goes on"
    if job.broke and row.status != Status.LOST:
        return None  # any end will do
    match row.status:
        case Status.DONE if job.code != 0:
            return f"its job ended with {job.code}"
        case Status.LOST:
            return f"its job ran and ended with {job.code}"
        case Status.FAILED if row.exit_code is not None and 0 < row.exit_code < 128:
            return None if job.code == row.exit_code else f"its job ended with {job.code}"
        case Status.FAILED if row.cause in NEVER_RAN:
            return "its job ran"
    return None


NEVER_RAN = frozenset({"refused", "quota", "credential", "never_started"})


def _without_start(row: Row) -> str | None:
    if row.status == Status.DONE:
        return "its job never ran"
    if row.status == Status.FAILED and row.exit_code is not None and 0 <= row.exit_code < 128:
        return "its job never ran"
    return None


def _description(row: Row) -> str:
    parts = [row.status, row.cause, None if row.exit_code is None else f"exit code {row.exit_code}"]
    return " ".join(word for word in parts if word)


def summary(rows: Sequence[Row]) -> Mapping[str, int]:
    """Count pilots by status."""
    counts = Counter(row.status for row in rows)
    return {status: counts[status] for status in Status if counts[status]}
