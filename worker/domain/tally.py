"""Tallies by minute, hour and day, and the counts of the moves of pilots."""

from datetime import datetime, timedelta
from typing import NamedTuple

from worker.domain.words import Described


class Grain(Described):
    """The length of the time that one tally counts."""

    MINUTE = "minute", "What was counted in one minute."
    HOUR = "hour", "What was counted in one hour."
    DAY = "day", "What was counted in one day, in UTC."


LENGTHS = {
    Grain.MINUTE: timedelta(minutes=1),
    Grain.HOUR: timedelta(hours=1),
    Grain.DAY: timedelta(days=1),
}


def begin_of(grain: Grain, moment: datetime) -> datetime:
    """Return the beginning of the minute, hour or day that contains a moment."""
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (moment - midnight) // LENGTHS[grain] * LENGTHS[grain]


class MoveCounts(NamedTuple):
    """How many pilots made a move, how many of them started, and their waiting and run times."""

    pilots: int
    starts: int
    seconds_to_start: float
    seconds_run: float

    def plus(self, other: "MoveCounts") -> "MoveCounts":
        return MoveCounts._make(mine + more for mine, more in zip(self, other, strict=True))


class Tally(NamedTuple):
    """The pilots of a VO at a CE that made one move in a minute, hour or day.

    For a new pilot, `was` is empty. If both statuses are the same, a cause was replaced by another:
    the count of the old cause goes down, and that of the new cause goes up.
    """

    grain: Grain
    begins_at: datetime
    ce_id: int
    vo_id: int
    was: str
    became: str
    cause: str


class TotalCounts(NamedTuple):
    """The counts of a move that are kept for ever: they only grow, and their sums are exact.

    A start is counted for a pilot that waited before, an end for a pilot that was not over before.
    Later corrections are left out, and so is a cause that replaces another.
    """

    pilots: int
    starts: int
    microseconds_to_start: int
    microseconds_run: int
