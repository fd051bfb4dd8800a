"""Why a pilot failed, where the CE did not say."""

from datetime import datetime, timedelta

from worker.domain.pilot import Cause

FAST = timedelta(minutes=5)
"""A pilot that ran for less has failed fast: the CE, not the work, is to blame."""


def cause_of(told: Cause | None, started_at: datetime | None, ended_at: datetime) -> Cause:
    """Keep the cause that the CE told, or judge by how long the pilot ran."""
    if told is not None and told is not Cause.UNKNOWN:
        return told
    if started_at is None:
        return Cause.NEVER_STARTED
    return Cause.FAILED_FAST if ended_at - started_at < FAST else Cause.FAILED_LATE
