"""The meaning of Slurm's job states: a status, and a cause where the state tells it.

All base states and flags of Slurm's documentation are here. squeue and sacct show one word: if a
flag is set, the flag instead of the base state. sacct adds words of its own: `CANCELLED by 1000`.
"""

from collections.abc import Mapping
from functools import lru_cache

from worker.domain import exits
from worker.domain.pilot import Cause, Status

Meaning = tuple[Status, Cause | None]

_WAITS = (Status.SUBMITTED, None)
_RUNS = (Status.RUNNING, None)
_NODE = (Status.FAILED, Cause.NODE)

STATES: Mapping[str, Meaning] = {
    # The job waits.
    "PENDING": _WAITS,
    "CONFIGURING": _WAITS,
    "POWER_UP_NODE": _WAITS,
    "REQUEUED": _WAITS,
    "REQUEUE_FED": _WAITS,
    "EXPEDITING": _WAITS,
    # The job waits and is held; an operator of the cluster releases or cancels it.
    "REQUEUE_HOLD": _WAITS,
    "SPECIAL_EXIT": _WAITS,
    "RESV_DEL_HOLD": _WAITS,
    # The job runs, or its node is still busy with it.
    "RUNNING": _RUNS,
    "RESIZING": _RUNS,
    "SIGNALING": _RUNS,
    "COMPLETING": _RUNS,
    "STAGE_OUT": _RUNS,
    "UPDATE_DB": _RUNS,
    "SUSPENDED": _RUNS,
    "STOPPED": _RUNS,
    # The job has ended.
    "COMPLETED": (Status.DONE, None),
    "CANCELLED": (Status.CANCELLED, None),
    "FAILED": (Status.FAILED, None),
    "OUT_OF_MEMORY": (Status.FAILED, Cause.OUT_OF_MEMORY),
    "TIMEOUT": (Status.FAILED, Cause.WALLTIME),
    "DEADLINE": (Status.FAILED, Cause.WALLTIME),
    "PREEMPTED": (Status.FAILED, Cause.PREEMPTED),
    "NODE_FAIL": _NODE,
    "BOOT_FAIL": _NODE,
    "LAUNCH_FAILED": _NODE,
    "RECONFIG_FAIL": _NODE,
    # A copy of the job ran at another cluster of the federation.
    "REVOKED": (Status.FAILED, Cause.REMOVED),
}
"""`FAILED` has no cause here: the cause follows from the exit code."""


@lru_cache(maxsize=256)
def meaning(raw: str) -> tuple[Status | None, Cause | None]:
    """Return the status and the cause of a state word; `None` for both if the word is unknown."""
    first = raw.split(maxsplit=1)[0].rstrip("+").upper() if raw.strip() else ""
    return STATES.get(first, (None, None))


def is_failure(raw: str) -> bool:
    """Return whether a word says only that a job failed; the exit code then gives the cause."""
    return meaning(raw) == (Status.FAILED, None)


def by_exit(code: int | None, signal: int | None) -> tuple[Cause, str | None]:
    """Return cause and reason of a failure from the exit code and the signal that ended the job."""
    cause, reason = exits.meaning(exits.code_of(signal) if signal else code)
    return cause or Cause.UNKNOWN, reason
