"""Pilot reports: what a pilot says of itself is stored. Those of an ended pilot are refused."""

from worker.db import pilot_reports
from worker.db.pilot_reports import Speaker
from worker.domain.errors import NotSignedIn
from worker.domain.lines import short_line
from worker.domain.pilot_report import LONGEST_REASON, PilotState, following
from worker.services.runtime import Runtime

ENDED = "this pilot has ended, or is not known here"


def speaker(runtime: Runtime, stamp: str) -> Speaker:
    """Return what is known of a pilot that sends a report."""
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
    """Store a pilot report; return whether the pilot is to end.

    The caller has verified that the pilot itself sent it. Values that it leaves out stay as they
    were.
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
