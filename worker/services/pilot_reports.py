"""Pilot reports: what a pilot says of itself, stored. A pilot that has ended says nothing more."""

from worker.db import pilot_reports
from worker.db.pilot_reports import Speaker
from worker.domain.errors import NotSignedIn
from worker.domain.lines import short_line
from worker.domain.pilot_report import LONGEST_REASON, PilotState, following
from worker.services.runtime import Runtime

ENDED = "this pilot has ended, as far as its CE says"


def speaker(runtime: Runtime, stamp: str) -> Speaker:
    """Return what is known of a pilot that speaks for itself."""
    with runtime.database.uow() as tx:
        pilot = pilot_reports.speaker(tx, stamp)
    if pilot is None:
        raise NotSignedIn(ENDED)
    return pilot


def note(
    runtime: Runtime,
    stamp: str,
    *,
    state: PilotState | None = None,
    payloads: int | None = None,
    reason: str | None = None,
) -> bool:
    """Store what a pilot says of itself; return whether it is to end.

    Who calls this knows that the pilot itself says it. What it leaves out stays.
    """
    now = runtime.now()
    line = None if reason is None else short_line(reason, LONGEST_REASON)
    with runtime.database.uow() as tx:
        pilot = pilot_reports.speaker(tx, stamp)
        if pilot is None:
            raise NotSignedIn(ENDED)
        report = following(pilot.report, now, state=state, payloads=payloads, reason=line)
        pilot_reports.save(tx, pilot.pilot_id, report)
    return pilot.is_unwanted
