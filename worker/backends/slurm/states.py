"""What Slurm's words for the state of a job mean in ours.

All base states and flags of Slurm's documentation are here. squeue and sacct show one word, where
a flag stands before the base state; sacct adds words of its own: `CANCELLED by 1000`.
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
    # It waits.
    "PENDING": _WAITS,
    "CONFIGURING": _WAITS,
    "POWER_UP_NODE": _WAITS,
    "REQUEUED": _WAITS,
    "REQUEUE_FED": _WAITS,
    "EXPEDITING": _WAITS,
    # It waits and is held; whoever operates the cluster lets it go, or cancels it.
    "REQUEUE_HOLD": _WAITS,
    "SPECIAL_EXIT": _WAITS,
    "RESV_DEL_HOLD": _WAITS,
    # It runs, or its node is still busy with it.
    "RUNNING": _RUNS,
    "RESIZING": _RUNS,
    "SIGNALING": _RUNS,
    "COMPLETING": _RUNS,
    "STAGE_OUT": _RUNS,
    "UPDATE_DB": _RUNS,
    "SUSPENDED": _RUNS,
    "STOPPED": _RUNS,
    # It has ended.
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
    # A sibling of it ran at another cluster of the federation.
    "REVOKED": (Status.FAILED, Cause.REMOVED),
}
"""`FAILED` has no cause here: the exit code tells it."""


@lru_cache(maxsize=256)
def meaning(raw: str) -> tuple[Status | None, Cause | None]:
    """Return what a word means; nothing if nobody knows."""
    first = raw.split(maxsplit=1)[0].rstrip("+").upper() if raw.strip() else ""
    return STATES.get(first, (None, None))


def is_failure(raw: str) -> bool:
    """Return whether a word says no more than that a job failed: why, its exit code tells."""
    return meaning(raw) == (Status.FAILED, None)


def by_exit(code: int | None, signal: int | None) -> tuple[Cause, str | None]:
    """Return why a job failed from its exit code and the signal that ended it."""
    cause, reason = exits.meaning(exits.code_of(signal) if signal else code)
    return cause or Cause.UNKNOWN, reason
