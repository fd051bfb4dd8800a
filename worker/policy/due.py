"""When a schedule fires next."""

from datetime import UTC, datetime, timedelta

from cronsim import CronSim, CronSimError

from worker.domain.errors import Invalid

DRIFT = timedelta(minutes=30)
"""A scheduler whose process was stopped for a while may act on a time that is older by this; if a
tick is further ahead, a clock was set back."""

CRON_DRIFT = timedelta(hours=2)
"""The same for a cron line. It is longer, so that a line does not fire twice for the same hour."""


def check_cron(line: str) -> None:
    """Refuse a cron line that cannot be read or never fires."""
    try:
        next(CronSim(line, datetime(2000, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration) as error:
        raise Invalid("cron line", f"{line!r}: {error or 'it never fires'}") from None


def is_due(every: float | None, cron: str | None, next_at: datetime | None, now: datetime) -> bool:
    """Return whether a tick is to fire now; it is also due if the clock was set back."""
    return next_at is None or next_at <= now or was_set_back(every, cron, next_at, now)


def was_set_back(
    every: float | None, cron: str | None, next_at: datetime | None, now: datetime
) -> bool:
    """Return whether a tick is so far ahead that the clock must have been set back."""
    if next_at is None or next_at <= now:
        return False
    if cron is not None:
        return next_at > next_tick(None, cron, None, now + CRON_DRIFT)
    return every is not None and next_at - now > timedelta(seconds=every) + DRIFT


def next_tick(
    every: float | None, cron: str | None, previous: datetime | None, now: datetime
) -> datetime:
    """Return the first firing after now.

    An interval keeps its phase: firings that were missed are skipped and not repeated later.
    """
    if cron is not None:
        following: datetime = next(CronSim(cron, now))
        return following
    interval = timedelta(seconds=every or 60.0)
    if previous is None or previous > now:
        return now + interval
    missed = int((now - previous) / interval)
    return previous + (missed + 1) * interval
