"""Reading the output of squeue and sacct. Output that ends within a record is unreadable.

A list that ends between two records looks whole. So no single answer decides that a job is gone
(`policy/polling.py`, `policy/judgement.py`).

The fields are separated by control characters that no printable text holds. Both programs print a
header, so a valid answer is never empty: output without a header is not an answer.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from worker.backends.slurm.names import LONGEST_TEXT, Names, SlurmJobName, ce_of, numbers
from worker.backends.slurm.states import by_exit, is_failure, meaning
from worker.domain.ce_answers import Observed
from worker.domain.errors import Unreadable
from worker.domain.exits import code_of
from worker.domain.pilot import FINAL, Cause, Status
from worker.domain.secrets import end_of
from worker.domain.texts import one_line

FIELD, RECORD = "\x1f", "\x1e"
QUEUE_FORMAT = "".join(f"%{field}{FIELD}" for field in "FKTjrSekN") + RECORD
"""The fields of squeue: array, element, state, name, reason, start, end, comment, nodes."""
EXITS_FORMAT = f"ArrayJobID:18{FIELD},ArrayTaskID:10{FIELD},exit_code:10{FIELD}{RECORD}"
"""The fields of squeue for failed jobs; only this slower form of output has the exit code."""
_QUEUE_HEADER = "ARRAY_JOB_ID"

HISTORY_FORMAT = "JobID,State,ExitCode,Start,End,Reason,NodeList,JobName,Comment"
_JOB = re.compile(r"([0-9]{1,18})(?:_([0-9]{1,9})|_\[([^\]]*)\])?")
_NUMBER = re.compile(r"[0-9]{1,10}")
_SHOWN = 2000
_NO_NODES = ("", "N/A", "(null)", "None assigned")


_Values = tuple[
    str, str, int | None, int | None, datetime | None, datetime | None, str | None, str | None
]
"""The values that all elements of a line share: state, reason, exit code, signal, start, end, nodes
and CE."""


class Shortened(Unreadable):
    """The list of the elements of an array is cut short."""


class Row(NamedTuple):
    """One job of ours, or one element of an array, as Slurm shows it.

    A row that stands for an array as a whole has no element, and an empty stamp. Rows are read by
    the thousand, so they are tuples.
    """

    handle: str
    stamp: str
    array: str
    element: int | None
    state: str
    reason: str
    code: int | None
    signal: int | None
    started_at: datetime | None
    ended_at: datetime | None
    nodes: str | None = None
    ce: str | None = None

    @property
    def is_final(self) -> bool:
        """Return whether the job has ended."""
        return meaning(self.state)[0] in FINAL

    @property
    def lacks_exit(self) -> bool:
        """Return whether the job failed and its exit code is not known yet."""
        return self.code is None and is_failure(self.state)

    def with_exit(self, exits: Mapping[str, tuple[int, int]]) -> "Row":
        """Return the row with its exit code and signal, if `exits` has them."""
        if not self.lacks_exit or self.handle not in exits:
            return self
        code, signal = exits[self.handle]
        return self._replace(code=code, signal=signal)

    def observed(self) -> Observed:
        """Return the row as an answer of the CE."""
        status, cause, raw, reason, exit_code, has_started, is_final = _meaning_of(
            self.state, self.reason, self.code, self.signal
        )
        return Observed(
            stamp=self.stamp,
            handle=self.handle,
            ce=self.ce,
            status=status,
            cause=cause,
            raw=raw,
            reason=reason,
            exit_code=exit_code,
            # For a waiting job, Slurm may show the time at which it is expected to start.
            started_at=self.started_at if has_started else None,
            ended_at=self.ended_at if is_final else None,
            node=self.nodes if has_started else None,
        )


class _Meaning(NamedTuple):
    """The meaning of a state, a reason and an exit, shared by all jobs that have the same."""

    status: Status | None
    cause: Cause | None
    raw: str
    reason: str | None
    exit_code: int | None
    has_started: bool
    is_final: bool


@lru_cache(maxsize=4096)
def _meaning_of(state: str, reason: str, code: int | None, signal: int | None) -> _Meaning:
    status, cause = meaning(state)
    reason = "" if reason in ("None", "N/A") else reason
    if status is Status.FAILED and cause is None:
        cause, by_code = by_exit(code, signal)
        reason = by_code or reason
    exit_code = None
    if status is Status.DONE:
        exit_code = 0
    elif status is Status.FAILED:
        exit_code = code_of(signal) if cause is Cause.SIGNAL and signal else code or None
    return _Meaning(
        status,
        cause,
        one_line(state, LONGEST_TEXT) or "nothing",
        one_line(reason, LONGEST_TEXT) or None,
        exit_code,
        has_started=status not in (Status.SUBMITTED, None),
        is_final=status in FINAL,
    )


def queue_rows(text: str, names: Names) -> list[Row]:
    """Read squeue's answer about our jobs.

    Other jobs are left out: their names may hold anything, even our separators.
    """
    rows = []
    count = QUEUE_FORMAT.count(FIELD) + 1
    for fields in _records(text):
        if len(fields) != count:
            continue
        array, element, state, name, reason, begin, end, comment, nodes, _ = fields
        named = names.read(name)
        if named is not None:
            times = _moment(begin), _moment(end)
            values = (state, reason, None, None, *times, _nodes(nodes), ce_of(comment))
            rows += _rows(named, array, element, values)
    return rows


def exits(text: str) -> dict[str, tuple[int, int]]:
    """Read squeue's answer about failed jobs: the exit code and the signal of each."""
    codes = {}
    for fields in _records(text):
        if len(fields) < EXITS_FORMAT.count(FIELD):
            continue
        array, element, wait_status = (field.strip() for field in fields[:3])
        wait = _number(wait_status)
        if wait is not None:
            handle = array if _number(element) is None else f"{array}_{element}"
            codes[handle] = (wait >> 8 & 0xFF, wait & 0x7F)
    return codes


def _records(text: str) -> list[list[str]]:
    """Split squeue's answer into records and fields; raise `Unreadable` if it is cut short."""
    records = _after_header(text, _QUEUE_HEADER).split(RECORD)
    if records.pop().strip():
        raise Unreadable(end_of(text, _SHOWN), "squeue", "its answer is cut short")
    return [record.lstrip("\n").split(FIELD) for record in records[1:]]


def history_rows(text: str, names: Names) -> list[Row]:
    """Read sacct's answer; a line for several elements of an array gives a row for each."""
    lines = _after_header(text, "JobID" + FIELD).split("\n")
    if lines.pop().strip():
        raise Unreadable(end_of(text, _SHOWN), "sacct", "its answer is cut short")
    rows: list[Row] = []
    for line in lines[1:]:
        fields = line.split(FIELD)
        if len(fields) == HISTORY_FORMAT.count(",") + 1:
            job, state, ended, begin, end, reason, nodes, name, comment = fields
            named, match = names.read(name), _JOB.fullmatch(job)
            if named is not None and match is not None:
                times = _moment(begin), _moment(end)
                values = (state, reason, *_exit(ended), *times, _nodes(nodes), ce_of(comment))
                rows += _rows(named, match[1], match[2] or match[3] or "", values)
    return rows


def _after_header(text: str, header: str) -> str:
    """Remove what a login shell or a wrapper printed before the header."""
    begin = text.find(header)
    if begin < 0:
        raise Unreadable(text[:_SHOWN], "Slurm's answer has no header")
    return text[begin:]


def _rows(named: SlurmJobName, array: str, elements: str, values: _Values) -> list[Row]:
    """Return a row for each element of an array that a line is about.

    A line without elements stands for a single job, or for an array as a whole.
    """
    index = _number(elements)
    if index is not None:
        return [Row(f"{array}_{index}", named.stamp(index), array, index, *values)]
    if elements in ("", "N/A"):
        return [Row(array, named.stamp(None), array, None, *values)]
    indices = numbers(elements)
    if not indices:
        raise Shortened(elements[:_SHOWN], f"array {array}")
    return [Row(f"{array}_{index}", named.stamp(index), array, index, *values) for index in indices]


def _exit(written: str) -> tuple[int | None, int | None]:
    """Read an exit code and a signal."""
    code, _, signal = written.partition(":")
    return _number(code), _number(signal)


def _number(written: str) -> int | None:
    """Read a number; return `None` for anything else, or if it is longer than Slurm's numbers."""
    return int(written) if _NUMBER.fullmatch(written) else None


def _nodes(written: str) -> str | None:
    """Return Slurm's list of nodes unchanged; `None` for a job that never ran."""
    return None if written in _NO_NODES else written


@lru_cache(maxsize=4096)
def _moment(written: str) -> datetime | None:
    """Read a time, which the programs are asked to write in UTC; `None` if it is not one."""
    with suppress(ValueError):
        return datetime.fromisoformat(written).replace(tzinfo=UTC)
    return None
