"""Time-outs: which one a pilot is past and whose it is, and until when a pilot may finish."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from worker.domain.lengths import as_option
from worker.domain.pilot import AnyPilot, Status
from worker.domain.timeouts import LatePilot, Timeouts

_SENTENCES = {
    "wait_at_most": "it waited for longer than",
    "run_at_most": "it ran for longer than",
    "silent_at_most": "its CE said nothing about it for longer than",
}


class TimeOut(NamedTuple):
    """The time-out that a pilot is past, in a sentence, and whether it is one of waiting."""

    reason: str
    of_waiting: bool


def past(pilot: LatePilot, owners: Sequence[Timeouts], now: datetime) -> TimeOut | None:
    """Return the time-out that a pilot is past; `None` if it is past none.

    Of two time-outs the shorter counts.
    """
    for name, length in _lengths(pilot, now):
        timeouts = [(most, owner.owner) for owner in owners if (most := getattr(owner, name))]
        most, owner = min(timeouts, key=lambda pair: pair[0], default=(None, ""))
        if most is not None and length > most:
            why = f"{_SENTENCES[name]} {as_option(most)}, the most that {owner} allows"
            return TimeOut(why, of_waiting=name == "wait_at_most")
    return None


def may_finish_until(pilot: AnyPilot, grace: timedelta | None, now: datetime) -> datetime | None:
    """Return until when a pilot may finish after its end was asked for.

    Without an earlier request, its end is asked for now. Without a grace, return `None`.
    """
    return None if grace is None else (pilot.cancel_requested_at or now) + grace


def _lengths(pilot: LatePilot, now: datetime) -> Iterator[tuple[str, timedelta]]:
    """Return how long a pilot has waited or run, and how long its CE has been silent about it.

    The wait counts only until the last answer about it, which said that it waits. Since then it may
    have begun to run, and a pilot that runs well must not be ended because it was not checked.
    """
    if pilot.status is Status.SUBMITTED and pilot.since and pilot.answered_at:
        yield "wait_at_most", pilot.answered_at - pilot.since
    if pilot.status is Status.RUNNING and pilot.since:
        yield "run_at_most", now - pilot.since
    if pilot.silent_since:
        yield "silent_at_most", now - pilot.silent_since
