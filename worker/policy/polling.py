"""When to check a pilot again: soon after a change, more and more rarely while nothing happens."""

from datetime import datetime, timedelta

LOST_MISSES = 3
"""Answers that the CE has not got it that it takes, at least, before a pilot is lost."""

LOST_AFTER = timedelta(minutes=10)
"""The least time since the first such answer."""

DOUBT_MISSES = 2
"""Complete listings without its stamp that it takes before a pilot in doubt is given up."""


def next_check(
    now: datetime, since: datetime, *, soonest: timedelta, latest: timedelta
) -> datetime:
    """Return the next check: after a fifth of the time without change, within bounds."""
    return now + min(max((now - since) / 5, soonest), latest)


def after_failures(now: datetime, failures: int, *, soonest: timedelta) -> datetime:
    """Return the next try: the delay doubles with each failure in a row, up to ten minutes."""
    delay: timedelta = soonest * int(2 ** min(failures - 1, 16))
    return now + min(delay, timedelta(minutes=10))


def is_lost(misses: int, missing_since: datetime | None, now: datetime) -> bool:
    """Return whether a pilot has been missing often and long enough."""
    if missing_since is None or misses < LOST_MISSES:
        return False
    return now - missing_since >= LOST_AFTER
