"""Time-outs: how long a pilot may wait, run or be silent, as its CE and its VO set it."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from worker.domain.checks import length


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """The time-outs of one CE or VO; one that is `None` is off. The owner is a word and a name."""

    owner: str
    wait_at_most: timedelta | None = None
    run_at_most: timedelta | None = None
    silent_at_most: timedelta | None = None


NAMES = ("wait_at_most", "run_at_most", "silent_at_most")
"""What they are called wherever a CE or a VO has them."""


def check(owner: Any) -> None:
    """Refuse a time-out of a CE or VO that cannot be."""
    for name in NAMES:
        length(name.replace("_", " "), getattr(owner, name))


LEAST_UNANSWERED = 3
"""Checks in vain, one after the other, that it takes before a CE is silent about a pilot."""
