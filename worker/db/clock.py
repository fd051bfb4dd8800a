"""The time, by the database's clock, so that all hosts agree.

Between two readings of that clock a host adds the seconds of a counter that cannot be set. So it
does not matter if the host's own clock is wrong or is set back. The embedded database has no clock
of its own: there the host's clock is used.
"""

import logging
import time
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, text

from worker.db.driver_errors import translated
from worker.db.engine import POSTGRESQL
from worker.domain.errors import DatabaseError

log = logging.getLogger(__name__)

LOOK_AGAIN = 60.0
"""Seconds between two readings of the database's clock."""

TRY_AGAIN = 5.0
"""Seconds until the next attempt if the clock could not be read."""

NOTICEABLE = timedelta(seconds=5)
"""If the host's clock differs by more, there is one warning."""


class Clock:
    """The time by the clock of the database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reading: datetime | None = None
        self._reading_at = 0.0
        self._look_at = 0.0
        self._warned = False

    def now(self) -> datetime:
        """Return the time in UTC."""
        if self._engine.dialect.name != POSTGRESQL:
            return datetime.now(UTC)
        if _counter() >= self._look_at:
            self._look()
        if self._reading is None:
            return datetime.now(UTC)
        return self._reading + timedelta(seconds=_counter() - self._reading_at)

    def _look(self) -> None:
        """Read the database's clock. If it cannot be read, the old reading stays in use."""
        self._look_at = _counter() + TRY_AGAIN
        try:
            with translated(self._engine.url), self._engine.connect() as connection:
                before = _counter()
                moment = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
                after = _counter()
        except DatabaseError as error:
            log.debug("the database's clock cannot be read: %s", error)
            return
        self._reading, self._reading_at = moment, (before + after) / 2
        self._look_at = after + LOOK_AGAIN
        off = abs(datetime.now(UTC) - moment)
        if off > NOTICEABLE and not self._warned:
            self._warned = True
            log.warning(
                "the clock of this host differs by %.0f s from that of the database, which is used",
                off.total_seconds(),
            )


def _counter() -> float:
    """Return a count of seconds that cannot be set, and that goes on while the host sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
