"""When to check a pilot again: soon after a change, more and more rarely while nothing happens."""

from datetime import datetime, timedelta

LOST_MISSES = 3
"""A pilot is lost only after at least so many answers in which the CE does not know it."""

LOST_AFTER = timedelta(minutes=10)
"""A pilot is lost only if the first such answer is at least so old."""

DOUBT_MISSES = 2
"""A pilot in doubt is given up after so many complete listings without its stamp."""


def next_check(
    now: datetime, since: datetime, *, soonest: timedelta, latest: timedelta
) -> datetime:
    """Return the time of the next check: after a fifth of the time since the last change, within
    the bounds.
    """
    return now + min(max((now - since) / 5, soonest), latest)


def after_failures(now: datetime, failures: int, *, soonest: timedelta) -> datetime:
    """Return the time of the next try. The delay doubles with each failure in a row, up to ten
    minutes.
    """
    delay: timedelta = soonest * int(2 ** min(failures - 1, 16))
    return now + min(delay, timedelta(minutes=10))


def is_lost(misses: int, missing_since: datetime | None, now: datetime) -> bool:
    """Return whether a pilot has been missing often and long enough."""
    if missing_since is None or misses < LOST_MISSES:
        return False
    return now - missing_since >= LOST_AFTER
