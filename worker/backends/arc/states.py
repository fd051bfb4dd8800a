"""The meaning of the states of ARC's jobs, and the causes of failures. No requests here."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from worker.domain import exits
from worker.domain.pilot import Cause, Status

FINISHED, FAILED, KILLED, KILLING, RUNNING = "FINISHED", "FAILED", "KILLED", "KILLING", "RUNNING"

STATES: Mapping[str, Status] = MappingProxyType(
    {
        "ACCEPTING": Status.SUBMITTED,
        "ACCEPTED": Status.SUBMITTED,
        "PREPARING": Status.SUBMITTED,
        "PREPARED": Status.SUBMITTED,
        "SUBMITTING": Status.SUBMITTED,
        "QUEUING": Status.SUBMITTED,
        "HELD": Status.SUBMITTED,
        RUNNING: Status.RUNNING,
        "EXITINGLRMS": Status.RUNNING,
        "EXECUTED": Status.RUNNING,
        "FINISHING": Status.RUNNING,
        "OTHER": Status.RUNNING,
        FINISHED: Status.DONE,
        FAILED: Status.FAILED,
        KILLED: Status.CANCELLED,
    }
)
"""The states with a status of their own. A job that is KILLING keeps the status that it had."""

GONE = frozenset({"None", "WIPED"})
"""The words for a job that the CE does not know, or does not know any longer."""

ENDS = frozenset({FINISHED, FAILED, KILLED})
"""The final states."""

_LRMS_CODE = re.compile(r"LRMS error: \((-?\d+)\)")
_CANCELLED = re.compile(r"cancell?ed by external request|user requested to cancel", re.IGNORECASE)

_CAUSES: tuple[tuple[str, Cause], ...] = (
    (r"job was cancell?ed|job killed: (?!vmem|cput|wall)|deleted by", Cause.REMOVED),
    (r"vmem|out.?of.?memory|\boom\b|memory limit|exceed\w* .*memory", Cause.OUT_OF_MEMORY),
    (r"time.?out|job killed: (cput|wall)|wall.?time|cpu.?time|time limit", Cause.WALLTIME),
    (r"preempt", Cause.PREEMPTED),
    (r"node.?fail|job was lost|lost job|boot.?fail", Cause.NODE),
    (r"submi\w+ to LRMS|\bstag(e|ing)\b|download|input file|job description", Cause.NEVER_STARTED),
    (r"died unexpectedly|was killed by", Cause.SIGNAL),
)
"""Patterns in the errors of A-REX, and of its scripts for batch systems, and the causes that they
mean."""


def exit_code_of(stated: str | None, error: str | None) -> int | None:
    """Return the exit code that the CE states, otherwise the one in its error.

    A negative number means that there is none.
    """
    word = stated
    if word is None and error and (match := _LRMS_CODE.search(error)):
        word = match[1]
    try:
        code = int(word) if word is not None else -1
    except ValueError:
        return None
    return code if 0 <= code < 2**31 else None


def is_cancellation(error: str | None) -> bool:
    """Return whether what A-REX calls a failure is in fact a cancellation."""
    return bool(error and _CANCELLED.search(error))


def cause_of(error: str | None, exit_code: int | None) -> Cause | None:
    """Return why a job failed; `None` if the CE does not say why."""
    for words, cause in _CAUSES:
        if error and re.search(words, error, re.IGNORECASE):
            return cause
    return exits.meaning(exit_code)[0]
