"""What Slurm's programs print, read. Nothing is guessed: what is not whole is unreadable.

squeue is asked for fields that end in a character which nothing printable holds, and both are
asked for their header, so an answer is never empty: without its header it is none.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from worker.backends.contract import Observed
from worker.backends.slurm.states import by_exit, meaning
from worker.backends.slurm.words import Names, harmless, numbers
from worker.domain.errors import Unreadable
from worker.domain.pilot import FINAL, Cause, Status

FIELD, RECORD = "\x1f", "\x1e"
QUEUE_FORMAT = "".join(f"%{field}{FIELD}" for field in "FKTjrSe") + RECORD
"""What squeue is asked to print: array, element, state, name, reason, start, end."""
EXITS_FORMAT = f"ArrayJobID:18{FIELD},ArrayTaskID:10{FIELD},exit_code:10{FIELD}{RECORD}"
"""What it is asked about jobs that failed; only in this slower way does it tell the exit code."""
_QUEUE_HEADER = "ARRAY_JOB_ID"

HISTORY_FORMAT = "JobID,State,ExitCode,Start,End,Reason,JobName"
_JOB = re.compile(r"([0-9]{1,18})(?:_([0-9]{1,9})|_\[([^\]]*)\])?")
_SHOWN = 2000


class Row(NamedTuple):
    """One job, or one element of an array, as Slurm shows it. Read by the thousand."""

    array: str
    element: int | None
    name: str
    state: str
    reason: str
    code: int | None
    signal: int | None
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def handle(self) -> str:
        """Slurm's own id for it."""
        return self.array if self.element is None else f"{self.array}_{self.element}"

    @property
    def lacks_exit(self) -> bool:
        """Tell whether it failed, and its exit code is still to be asked for."""
        return self.code is None and meaning(self.state) == (Status.FAILED, None)

    @property
    def is_final(self) -> bool:
        """Tell whether it has ended."""
        return meaning(self.state)[0] in FINAL

    def with_exit(self, exits: Mapping[str, tuple[int, int]]) -> "Row":
        """Add the exit code and the signal, if they were told."""
        if not self.lacks_exit or self.handle not in exits:
            return self
        code, signal = exits[self.handle]
        return self._replace(code=code, signal=signal)

    def observed(self, stamp: str) -> Observed:
        """Say it in our words."""
        said = _say(self.state, self.reason, self.code, self.signal)
        status = said.status
        waits = status is Status.SUBMITTED or status is None
        return Observed(
            stamp=stamp,
            handle=self.handle,
            status=status,
            cause=said.cause,
            raw=said.raw,
            reason=said.reason,
            exit_code=said.exit_code,
            # What waits may have a time at which it is expected to start.
            started_at=None if waits else self.started_at,
            ended_at=self.ended_at if status in FINAL else None,
        )


class _Said(NamedTuple):
    """A state in our words: the same for all jobs of which Slurm says the same."""

    status: Status | None
    cause: Cause | None
    raw: str
    reason: str | None
    exit_code: int | None


@lru_cache(maxsize=4096)
def _say(state: str, reason: str, code: int | None, signal: int | None) -> _Said:
    status, cause = meaning(state)
    reason = "" if reason in ("None", "N/A") else reason
    if status is Status.FAILED and cause is None:
        cause, by_code = by_exit(code, signal)
        reason = by_code or reason
    exit_code = None
    if status is Status.DONE:
        exit_code = 0
    elif status is Status.FAILED:
        exit_code = 128 + signal if cause is Cause.SIGNAL and signal else code or None
    return _Said(status, cause, harmless(state) or "nothing", harmless(reason) or None, exit_code)


def queue_rows(said: str, names: Names) -> list[Row]:
    """Read what squeue said of our jobs. Another job may be named as nobody can foresee."""
    rows = []
    count = QUEUE_FORMAT.count(FIELD) + 1
    for fields in _records(said):
        if len(fields) == count and names.are_in(fields[3]):
            array, element, state, name, reason, begin, end, _ = fields
            index = int(element) if element.isdigit() else None
            times = _moment(begin), _moment(end)
            rows.append(Row(array, index, name, state, reason, None, None, *times))
    return rows


def exits(said: str) -> dict[str, tuple[int, int]]:
    """Read what squeue said of jobs that failed: the exit code and the signal of each."""
    found = {}
    for fields in _records(said):
        array, element, wait = (field.strip() for field in fields[:3])
        if wait.isdigit():
            handle = f"{array}_{element}" if element.isdigit() else array
            found[handle] = (int(wait) >> 8 & 0xFF, int(wait) & 0x7F)
    return found


def _records(said: str) -> list[list[str]]:
    """Part squeue's answer in records and fields, or find that it is not whole."""
    records = _after_header(said, _QUEUE_HEADER).split(RECORD)
    if records.pop().strip():
        raise Unreadable(said[-_SHOWN:], "squeue", "its answer is cut short")
    return [record.lstrip("\n").split(FIELD) for record in records[1:]]


def history_rows(said: str, names: Names) -> list[Row]:
    """Read what sacct said; an array that nobody has taken apart is a row for each element."""
    lines = _after_header(said, "JobID" + FIELD).split("\n")
    if lines.pop().strip():
        raise Unreadable(said[-_SHOWN:], "sacct", "its answer is cut short")
    rows: list[Row] = []
    for line in lines[1:]:
        fields = line.split(FIELD)
        if len(fields) == HISTORY_FORMAT.count(",") + 1 and names.are_in(fields[-1]):
            rows.extend(_history_rows(fields))
    return rows


def _after_header(said: str, header: str) -> str:
    """Leave out what a login shell or a wrapper said before."""
    begin = said.find(header)
    if begin < 0:
        raise Unreadable(said[:_SHOWN], "Slurm's answer has no header")
    return said[begin:]


def _history_rows(fields: list[str]) -> Iterator[Row]:
    job, state, ended, begin, end, reason, name = fields
    found = _JOB.fullmatch(job)
    if found is None:
        return
    code, _, signal = ended.partition(":")
    together: list[int | None] = [*numbers(found[3] or "")]
    for index in together or [int(found[2]) if found[2] else None]:
        yield Row(
            array=found[1],
            element=index,
            name=name,
            state=state,
            reason=reason,
            code=int(code) if code.isdigit() else None,
            signal=int(signal) if signal.isdigit() else None,
            started_at=_moment(begin),
            ended_at=_moment(end),
        )


@lru_cache(maxsize=4096)
def _moment(written: str) -> datetime | None:
    """Read a time; the programs are told to write it in UTC."""
    with suppress(ValueError):
        return datetime.fromisoformat(written).replace(tzinfo=UTC)
    return None
