"""Time-outs: how long a pilot may wait, run or be silent, as its CE and its VO set it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from worker.domain.checks import require_length
from worker.domain.pilot import Status


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """The time-outs of one CE or VO; `None` is off. The owner is its kind and name: "CE lyon"."""

    owner: str
    wait_at_most: timedelta | None = None
    run_at_most: timedelta | None = None
    silent_at_most: timedelta | None = None


class LatePilot(NamedTuple):
    """A pilot that may be past a time-out, with the times that decide it.

    `since` is when it began to wait or to run. `answered_at` is the time of the last answer about
    it. `silent_since` is the same time if its CE has not answered checks of it since.
    """

    pilot_id: int
    ce_id: int
    vo_id: int
    status: Status
    since: datetime | None
    answered_at: datetime | None
    silent_since: datetime | None


NAMES = ("wait_at_most", "run_at_most", "silent_at_most")
"""The names of the time-outs, the same for a CE and a VO."""


def check(owner: Any) -> None:
    """Refuse an invalid time-out of a CE or VO."""
    for name in NAMES:
        require_length(name.replace("_", " "), getattr(owner, name))


LEAST_UNANSWERED = 3
"""After this many checks in a row without an answer, a CE counts as silent about a pilot."""
