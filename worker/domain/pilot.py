"""What a pilot is: its statuses, the causes of its failures, and the moves it may make.

Nothing here uses a database or a clock. `MOVES` is the only place that says which status may follow
which; the WHERE clause of the mover and the picture in the documentation are made from it.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

from worker.domain.checks import at_least
from worker.domain.errors import Invalid
from worker.domain.words import Described


class Status(Described):
    """Where a pilot is in its life."""

    RESERVED = "reserved", "A slot is held; nothing was sent."
    SUBMITTING = (
        "submitting",
        "The CE was, or may have been, called; its answer is not recorded.",
    )
    SUBMITTED = "submitted", "The CE accepted it and it waits."
    RUNNING = "running", "It runs."
    DONE = "done", "It ended well."
    FAILED = "failed", "It ended badly; the cause says how."
    CANCELLED = "cancelled", "It was stopped because we, or an operator, asked."
    LOST = "lost", "The CE does not know it, or no longer knows it."


class Cause(Described):
    """Why a pilot failed. Only causes in `CE_FAULTS` count against the CE's success rate."""

    REFUSED = "refused", "The CE refused the submission."
    QUOTA = "quota", "The CE has no room for us: a limit on our jobs, not a fault."
    CREDENTIAL = (
        "credential",
        "The VO's credential was missing, expired or not accepted.",
    )
    NEVER_STARTED = "never_started", "It was accepted and ended without having run."
    FAILED_FAST = "failed_fast", "It ended badly within its first minutes."
    FAILED_LATE = "failed_late", "It ended badly after a good start."
    EXIT_CODE = "exit_code", "It ended with an exit code other than 0."
    SIGNAL = "signal", "A signal ended it."
    OUT_OF_MEMORY = "out_of_memory", "It used more memory than it was given."
    WALLTIME = "walltime", "It reached its time limit."
    PREEMPTED = "preempted", "The CE took its slot back for somebody else."
    NODE = "node", "The machine that ran it broke."
    HELD = "held", "The CE put it on hold and it was given up."
    REMOVED = "removed", "Somebody else removed it at the CE."
    UNKNOWN = "unknown", "No reason is known."


class Use(Described):
    """What a pilot that ended well did, as far as its exit code, its report and its life show."""

    USEFUL = "useful", "It ran for as long as pilots with work do."
    SHORT = "short", "It ended too soon to have been of use."
    EMPTY = "empty", "Its exit code or its pilot report says that it had no work."


class ExitMeaning(Described):
    """What an exit code of a payload may mean."""

    USEFUL = "useful", "The pilot was of use."
    EMPTY = "empty", "The pilot had no work; nobody is to blame."
    NODE = "node", "The pilot judged its machine to be broken: it failed, with the cause node."


OF_NO_USE = frozenset({Use.SHORT, Use.EMPTY})
"""The uses of a pilot that ended well for nothing."""


OCCUPYING = frozenset({Status.RESERVED, Status.SUBMITTING, Status.SUBMITTED, Status.RUNNING})
"""The statuses in which a pilot holds a slot of its CE."""

WAITING = OCCUPYING - {Status.RUNNING}
"""The statuses in which a pilot counts against the CE's waiting limit."""

AT_CE = (Status.SUBMITTED, Status.RUNNING)
"""The statuses in which the CE has the pilot, so a check asks the CE about it."""

FINAL = frozenset(Status) - OCCUPYING
"""The statuses in which a pilot is over. Only a lost pilot may turn up again."""

MOVES = MappingProxyType(
    {
        Status.RESERVED: frozenset({Status.SUBMITTING, Status.CANCELLED}),
        Status.SUBMITTING: frozenset({*AT_CE, Status.DONE, Status.FAILED, Status.LOST}),
        Status.SUBMITTED: frozenset({Status.RUNNING, *FINAL}),
        Status.RUNNING: frozenset({Status.SUBMITTED, *FINAL}),
        Status.DONE: frozenset[Status](),
        Status.FAILED: frozenset[Status](),
        Status.CANCELLED: frozenset[Status](),
        Status.LOST: frozenset({*AT_CE, *FINAL}) - {Status.LOST},
    }
)
"""From each status, the statuses a pilot may move to. running → submitted is a requeue."""

LEGAL_MOVES = tuple((was, to) for was in Status for to in Status if to in MOVES[was])
"""`MOVES` as pairs, in a fixed order."""

CE_FAULTS = frozenset(
    {
        Cause.REFUSED,
        Cause.NEVER_STARTED,
        Cause.FAILED_FAST,
        Cause.FAILED_LATE,
        Cause.EXIT_CODE,
        Cause.SIGNAL,
        Cause.OUT_OF_MEMORY,
        Cause.NODE,
        Cause.HELD,
        Cause.UNKNOWN,
    }
)
"""The causes that count against the success rate of the CE."""

RAN_BADLY = frozenset(
    {
        Cause.FAILED_FAST,
        Cause.FAILED_LATE,
        Cause.EXIT_CODE,
        Cause.SIGNAL,
        Cause.OUT_OF_MEMORY,
        Cause.WALLTIME,
        Cause.UNKNOWN,
    }
)
"""The causes of pilots that began their work and failed by themselves."""

NOT_SENT = "not sent"
"""Stands in place of the CE's word for a lost pilot that was never sent to its CE."""

STAMP_LENGTH = 32
"""A stamp is this many lower-case hexadecimal characters."""

GROUP_LENGTH = 24
"""The first characters of a stamp name the group of pilots reserved together; the rest is a
number."""

GROUP_SIZE = 1000
"""The most pilots of a group, numbered from 0."""


class Pilot(NamedTuple):
    """One job on one CE for one VO. A tuple, because pilots are read by the thousand."""

    id: int
    stamp: str
    vo: str
    ce: str
    status: Status
    cause: Cause | None
    use: Use | None
    handle: str | None
    raw: str | None
    reason: str | None
    exit_code: int | None
    node: str | None
    attempts: int
    misses: int
    requeues: int
    reserved_at: datetime
    claimed_at: datetime | None
    submitted_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    checked_at: datetime | None
    missing_since: datetime | None
    next_check_at: datetime | None
    cancel_requested_at: datetime | None
    cancel_reason: str | None
    updated_at: datetime

    def age(self, now: datetime) -> timedelta:
        """Return the time since the pilot's slot was reserved."""
        return now - self.reserved_at

    def wait(self, now: datetime) -> timedelta | None:
        """Return how long the pilot has waited at its CE, or waited until it started or ended."""
        if self.submitted_at is None:
            return None
        return max((self.started_at or self.ended_at or now) - self.submitted_at, timedelta())

    def run_time(self, now: datetime) -> timedelta | None:
        """Return how long the pilot has run, or ran until it ended."""
        if self.started_at is None:
            return None
        return max((self.ended_at or now) - self.started_at, timedelta())


class PilotToCheck(NamedTuple):
    """The values of a pilot that a check needs. Its CE may have it, and is asked about it."""

    id: int
    stamp: str
    vo: str
    status: Status
    handle: str | None
    attempts: int
    misses: int
    reserved_at: datetime
    claimed_at: datetime | None
    submitted_at: datetime | None
    started_at: datetime | None
    missing_since: datetime | None
    cancel_requested_at: datetime | None
    cancel_reason: str | None
    cancel_if_waiting: bool | None


AnyPilot = Pilot | PilotToCheck


@dataclass(frozen=True, kw_only=True)
class Transition:
    """One step in the history of a pilot. The first has no status before it."""

    id: int
    pilot_id: int
    was: Status | None
    became: Status
    cause: Cause | None
    raw: str | None
    reason: str | None
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Move:
    """The move of one pilot to another status, with what the CE said. Other values stay `None`.

    With `was`, the move is made only if the pilot still has this status.
    """

    pilot_id: int
    to: Status
    was: Status | None = None
    cause: Cause | None = None
    use: Use | None = None
    handle: str | None = None
    raw: str | None = None
    reason: str | None = None
    exit_code: int | None = None
    node: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    next_check_at: datetime | None = None

    def __post_init__(self) -> None:
        if self.to is Status.FAILED and self.cause is None:
            object.__setattr__(self, "cause", Cause.UNKNOWN)
        if self.to is not Status.FAILED and self.cause is not None:
            raise Invalid("cause", f"a pilot that is {self.to} has none, not {self.cause!r}")
        if self.to is not Status.DONE and self.use is not None:
            raise Invalid("use", f"a pilot that is {self.to} has none, not {self.use!r}")


@dataclass(frozen=True, kw_only=True)
class Grant:
    """How many new pilots a VO gets on a CE, if the limits allow them."""

    vo: str
    ce: str
    count: int

    def __post_init__(self) -> None:
        at_least("count", self.count, 0)


_WRITTEN = f"%s%0{STAMP_LENGTH - GROUP_LENGTH}x"


def numbered(group: str, number: int) -> str:
    """Make the stamp of one pilot of a group.

    A CE that runs job arrays can name the whole array by the group, and identify a pilot by its
    index: the stamp follows from both. So nothing has to be stored to recognise a pilot after a
    crash.
    """
    return _WRITTEN % (group, number)


def group_and_number(stamp: str) -> tuple[str, int]:
    """Return the group of a stamp, and its number in the group."""
    return stamp[:GROUP_LENGTH], int(stamp[GROUP_LENGTH:], 16)


_STAMP = re.compile(rf"[0-9a-f]{{{STAMP_LENGTH}}}")


def check_stamps(stamps: Collection[str]) -> None:
    """Refuse a stamp that is not 32 lower-case hexadecimal characters, before it reaches a CE."""
    if all(map(_STAMP.fullmatch, stamps)):
        return
    for stamp in stamps:
        check_stamp(stamp)


def check_stamp(stamp: str) -> None:
    if not is_stamp(stamp):
        raise Invalid("stamp", f"{stamp[:64]!r} is not {STAMP_LENGTH} hexadecimal characters")


def is_stamp(word: str) -> bool:
    """Return whether a word has the form of a stamp."""
    return bool(_STAMP.fullmatch(word))


class Check(NamedTuple):
    """The result of a check of a pilot whose status does not change.

    With `was`, it is noted only if the pilot still has this status.
    """

    pilot_id: int
    next_check_at: datetime | None
    answered: bool = True
    missing: bool = False
    raw: str | None = None
    reason: str | None = None
    node: str | None = None
    was: Status | None = None
    started_at: datetime | None = None
    """When a pilot that runs began again; `None` if its start is as it was."""
