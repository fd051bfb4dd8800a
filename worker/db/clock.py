"""What time it is: the database's time, so that no two hosts disagree.

Between two looks at the database's clock a host counts seconds that nobody can set, so a host
whose own clock is wrong, or is set back an hour, does no harm. The embedded database has the
host's clock.
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
"""Seconds between two looks at the database's clock."""

TRY_AGAIN = 5.0
"""Seconds until the next attempt while it cannot be read."""

NOTICEABLE = timedelta(seconds=5)
"""A host that is off by more is worth a warning, once."""


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
        """Look at the database's clock; while it cannot be reached, go on counting."""
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
    """Return seconds that go on while the host sleeps and that nobody can set."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
