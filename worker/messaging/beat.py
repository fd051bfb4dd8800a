"""The scheduler of `celery -A worker beat`: its schedules and their ticks are in the database.

There may be one on every host. A tick is claimed by one statement, so only one scheduler fires it.
If a scheduler dies, the others go on; and no ticks pile up while none is running.
"""

import logging
from typing import Any

from celery.beat import Scheduler

from worker import logs, tracing, wiring
from worker.domain.errors import PilotageError
from worker.messaging.app import send
from worker.services.operate.database import require_current
from worker.services.tasks import ticks

log = logging.getLogger(__name__)

AFTER_ERROR = 5.0
"""Seconds until the next try if the database could not be used."""


class DatabaseScheduler(Scheduler):  # type: ignore[misc]
    """Fires the ticks that are due according to the database."""

    def setup_schedule(self) -> None:
        """Store the schedules that are missing."""
        try:
            require_current(wiring.database())
            ticks.seed(wiring.database(), wiring.now(), wiring.configured_schedules())
        except PilotageError as error:
            raise SystemExit(f"pilotage: {error}") from None

    def tick(self, *_: Any, **__: Any) -> float:
        """Claim the ticks that are due and send their messages; return how long to sleep."""
        logs.follow_level()
        try:
            firings, wait = ticks.claim_due(
                wiring.database(), wiring.now(), wiring.configured_schedules()
            )
        except PilotageError as error:
            log.warning("no tick: %s", error)
            return AFTER_ERROR
        for firing in firings:
            with tracing.span("tick", task=firing.task.name, subject=firing.subject):
                send(firing.task, firing.subject, expires=firing.expires)
        return min(wait, float(self.max_interval))

    @property
    def info(self) -> str:
        """Return where the schedules are stored."""
        return f"    . schedules -> {wiring.database()}"
