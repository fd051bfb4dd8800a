"""Counts of the calls to a CE: by kind, by outcome, and by how long they took."""

from bisect import bisect_left
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from worker.domain.errors import (
    BackendError,
    CredentialProblem,
    Refused,
    Unreadable,
)
from worker.domain.tally import Grain
from worker.domain.words import Described


class CallKind(Described):
    """What a call asks of a CE."""

    SUBMIT = "submit", "Submit pilots."
    POLL = "poll", "Ask for the statuses of pilots."
    FIND = "find", "List our jobs."
    CANCEL = "cancel", "End pilots."
    OUTPUT = "output", "Fetch the output of a pilot."
    TIDY = "tidy", "Delete what is no longer needed."


class CallOutcome(Described):
    """How a call to a CE went."""

    ANSWERED = "answered", "The CE answered."
    REFUSED = "refused", "The CE refused the call."
    UNAVAILABLE = "unavailable", "The CE could not be reached, or did not answer in time."
    UNREADABLE = "unreadable", "The answer of the CE could not be read."
    CREDENTIAL = "credential", "The call had no credential that the CE accepts."


class Call(NamedTuple):
    """One call to a CE, which is over."""

    kind: CallKind
    outcome: CallOutcome
    seconds: float


class CallTally(NamedTuple):
    """The calls to a CE in one span of time, of one kind, one outcome and one bucket of length."""

    grain: Grain
    begins_at: datetime
    kind: CallKind
    outcome: CallOutcome
    within: int
    """The milliseconds within which each call ended: one of `BUCKETS`."""
    calls: int
    seconds: float
    """How long all the calls took together."""


BUCKETS = (10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000, 1_000_000_000)
"""Upper bounds of the length of a call, in milliseconds. The last is longer than any call."""

_OUTCOMES: tuple[tuple[type[BackendError], CallOutcome], ...] = (
    (CredentialProblem, CallOutcome.CREDENTIAL),
    (Refused, CallOutcome.REFUSED),
    (Unreadable, CallOutcome.UNREADABLE),
)


def outcome_of(error: BackendError) -> CallOutcome:
    """Return the outcome of a call that ended with this error."""
    for kind, outcome in _OUTCOMES:
        if isinstance(error, kind):
            return outcome
    return CallOutcome.UNAVAILABLE


def bucket_of(seconds: float) -> int:
    """Return the smallest of `BUCKETS` that is not shorter than this length."""
    return BUCKETS[min(bisect_left(BUCKETS, seconds * 1000), len(BUCKETS) - 1)]


def quantile_bound(tallies: Iterable[CallTally], part: float) -> int | None:
    """Return the milliseconds within which this part of the calls ended; `None` without calls."""
    by_bucket = sorted((tally.within, tally.calls) for tally in tallies)
    total, reached = sum(calls for _, calls in by_bucket), 0
    for milliseconds, calls in by_bucket:
        reached += calls
        if reached >= part * total:
            return milliseconds
    return None
