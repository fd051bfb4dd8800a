"""What is counted, by minute, hour and day; here of the moves of pilots."""

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
    """Return when the minute, hour or day began that a moment is in."""
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (moment - midnight) // LENGTHS[grain] * LENGTHS[grain]


class MoveCounts(NamedTuple):
    """How many pilots made a move, how many of them started, and their seconds."""

    pilots: int
    starts: int
    seconds_to_start: float
    seconds_run: float

    def plus(self, other: "MoveCounts") -> "MoveCounts":
        return MoveCounts._make(mine + more for mine, more in zip(self, other, strict=True))


class Tally(NamedTuple):
    """The pilots of a VO at a CE that made one move in a minute, hour or day.

    A pilot that is new was nothing before. Where both statuses are the same, a cause was replaced:
    the old one is counted less often, and the new one more often.
    """

    grain: Grain
    begins_at: datetime
    ce_id: int
    vo_id: int
    was: str
    became: str
    cause: str


class TotalCounts(NamedTuple):
    """What of a move is counted for ever: it only grows, and its sums are exact.

    Of a pilot that waited, the start is counted, and of one that was not over, its end. What is
    corrected later is left out, and so is a cause that took the place of another.
    """

    pilots: int
    starts: int
    microseconds_to_start: int
    microseconds_run: int
