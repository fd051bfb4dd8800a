"""report: count pilots and slots, and store the counts."""

import logging
from datetime import datetime, timedelta
from typing import Any

from worker.db import pilot_reads, reports, slots, tallies
from worker.db.uow import Transaction
from worker.domain.pilot import Use
from worker.services.credentials import standings
from worker.services.runtime import Runtime, TaskResult

log = logging.getLogger(__name__)

PERIOD = timedelta(hours=1)
"""The time in which ends are counted; by default one report is stored each hour."""

CREDENTIAL = ("vo", "backend", "kind", "state", "seconds_left")
"""The values of each credential in a summary."""


def report(runtime: Runtime) -> TaskResult:
    """Log and store a summary."""
    with runtime.database.uow() as tx:
        summary = summarise(tx, runtime.now())
        reports.add(tx, summary, runtime.now())
    log.info("pilots by status: %s; free slots: %s", summary["pilots"], summary["free_slots"])
    return _done(summary)


def plan(runtime: Runtime) -> TaskResult:
    """Return what `report` would store now, and change nothing."""
    with runtime.database.uow() as tx:
        return _done(summarise(tx, runtime.now()))


def summarise(tx: Transaction, now: datetime) -> dict[str, Any]:
    """Return the pilots by status, the good ends of the last hour, free slots, and credentials."""
    good_ends = dict.fromkeys(Use, 0)
    for (_, _, use), number in tallies.good_ends(tx, now - PERIOD).items():
        good_ends[use] += number
    available = slots.available_ces(tx)
    return {
        "pilots": {str(status): n for status, n in pilot_reads.count_by_status(tx).items()},
        "good_ends": {str(use): number for use, number in good_ends.items()},
        "available_ces": len(available),
        "free_slots": sum(row["available_slots"] for row in available),
        "credentials": [
            {name: getattr(standing, name) for name in CREDENTIAL}
            for standing in standings(tx, now)
        ],
    }


def _done(summary: dict[str, Any]) -> TaskResult:
    return TaskResult(counts={**summary["pilots"], "free slots": summary["free_slots"]})
