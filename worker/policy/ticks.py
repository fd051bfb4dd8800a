"""When a schedule fires next."""

from datetime import UTC, datetime, timedelta

from cronsim import CronSim, CronSimError

from worker.domain.errors import Invalid


def check_cron(line: str) -> None:
    """Refuse a cron line that cannot be read or never fires."""
    try:
        next(CronSim(line, datetime(2000, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration) as error:
        raise Invalid("cron line", f"{line!r}: {error or 'it never fires'}") from None


def next_tick(
    every: float | None, cron: str | None, was: datetime | None, now: datetime
) -> datetime:
    """Find the first firing after now.

    An interval keeps its beat: whatever was missed while nothing ran is skipped, not made up for.
    """
    if cron is not None:
        following: datetime = next(CronSim(cron, now))
        return following
    interval = timedelta(seconds=every or 60.0)
    if was is None or was > now:
        return now + interval
    missed = int((now - was) / interval)
    return was + (missed + 1) * interval
