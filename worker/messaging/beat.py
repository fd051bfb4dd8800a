"""The scheduler that `celery -A worker beat` runs: its entries and their ticks are in the database.

Run as many as there are hosts. A tick is claimed by one statement, so one of them fires it; the
death of any costs nothing, and no ticks pile up while none is running.
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
"""Seconds until the next try when the database could not be asked."""


class DatabaseScheduler(Scheduler):  # type: ignore[misc]
    """Fires what the database says is due."""

    def setup_schedule(self) -> None:
        """Store the schedules that are missing."""
        try:
            require_current(wiring.database())
            ticks.seed(wiring.database(), wiring.now(), wiring.configured_schedules())
        except PilotageError as error:
            raise SystemExit(f"pilotage: {error}") from None

    def tick(self, *_: Any, **__: Any) -> float:
        """Claim what is due and send it; tell how long to sleep."""
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
        """Return where the entries are kept."""
        return f"    . schedules -> {wiring.database()}"
