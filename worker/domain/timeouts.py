"""Time-outs: how long a pilot may wait, run or be silent, as its CE and its VO set it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from worker.domain.checks import length
from worker.domain.pilot import Status


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """The time-outs of one CE or VO; one that is `None` is off. The owner is a word and a name."""

    owner: str
    wait_at_most: timedelta | None = None
    run_at_most: timedelta | None = None
    silent_at_most: timedelta | None = None


class LatePilot(NamedTuple):
    """A pilot that may be past a time-out: the times that decide it.

    `since` is when it began to wait or to run, `answered_at` the last answer about it, and
    `silent_since` the same if its CE was asked in vain after that.
    """

    pilot_id: int
    ce_id: int
    vo_id: int
    status: Status
    since: datetime | None
    answered_at: datetime | None
    silent_since: datetime | None


NAMES = ("wait_at_most", "run_at_most", "silent_at_most")
"""What they are called wherever a CE or a VO has them."""


def check(owner: Any) -> None:
    """Refuse a time-out of a CE or VO that cannot be."""
    for name in NAMES:
        length(name.replace("_", " "), getattr(owner, name))


LEAST_UNANSWERED = 3
"""Checks in vain, one after the other, that it takes before a CE is silent about a pilot."""
