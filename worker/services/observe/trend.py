"""The numbers of pilots that ran, waited and failed in the last hours, for the overview's chart."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from worker.db import trends
from worker.db.trends import Course
from worker.domain.access import Role
from worker.domain.errors import Invalid
from worker.domain.tally import Grain, begin_of
from worker.services.allowed import allowed_to
from worker.services.runtime import Runtime

MOST_HOURS = 48
"""How long tallies by the minute are kept; older ones are by the hour."""

MOST_POINTS = 180

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class TrendPoint:
    """How many pilots ran and waited at a moment, and how many failed since the point before."""

    at: datetime
    running: int
    waiting: int
    failed: int


@dataclass(frozen=True, kw_only=True)
class Trend:
    """The last hours, in steps of equal length. The last point is now."""

    begin: datetime
    end: datetime
    step_seconds: int
    points: list[TrendPoint]


@allowed_to(Role.READ)
def trend(runtime: Runtime, *, hours: int = 3) -> Trend:
    """Show how many pilots ran, waited and failed in the last hours.

    Up to 48 hours, in at most 180 steps of whole minutes. Lost pilots count as failed.
    """
    if not 1 <= hours <= MOST_HOURS:
        raise Invalid("hours", f"they must be between 1 and {MOST_HOURS}")
    now = runtime.now()
    step = -(-hours * 60 // MOST_POINTS) * MINUTE
    begin = begin_of(Grain.MINUTE, now) - timedelta(hours=hours) + MINUTE
    with runtime.database.uow() as tx:
        course = trends.course(tx, begin)
    return Trend(
        begin=begin,
        end=now,
        step_seconds=int(step.total_seconds()),
        points=_points(course, begin, now, step),
    )


def _points(course: Course, begin: datetime, now: datetime, step: timedelta) -> list[TrendPoint]:
    """Compute the points backwards, from the present numbers."""
    steps = (now - begin) // step + 1
    changes = [[0, 0, 0] for _ in range(steps)]
    for move in course.moves:
        # The clock of the database may be ahead of ours.
        of_step = changes[min(steps - 1, (move.at - begin) // step)]
        for place, number in enumerate((move.running, move.waiting, move.failed)):
            of_step[place] += number
    running, waiting = course.running, course.waiting
    points = []
    for place in reversed(range(steps)):
        more_run, more_wait, failed = changes[place]
        at = min(now, begin + (place + 1) * step)
        points.append(
            TrendPoint(
                at=at, running=max(0, running), waiting=max(0, waiting), failed=max(0, failed)
            )
        )
        running, waiting = running - more_run, waiting - more_wait
    return points[::-1]
