"""The words of the simulated batch system, and their meanings.

`MEANINGS` is the only table of meanings. A word that is not in it has no status.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from worker.domain.pilot import Cause, Status

PENDING = "PENDING"
HELD = "HELD"
RUNNING = "RUNNING"
REQUEUED = "REQUEUED"
COMPLETED = "COMPLETED"
CANCELLED = "CANCELLED"


@dataclass(frozen=True)
class End:
    """How a job ends for a cause: the CE's word and reason, and the share of its time it ran."""

    word: str
    reason: str
    earliest: float = 0.1
    latest: float = 1.0
    exit_code: int | None = None


ENDS: Mapping[Cause, End] = MappingProxyType(
    {
        Cause.NEVER_STARTED: End("BOOT_FAIL", "the node did not come up"),
        Cause.FAILED_FAST: End("FAILED_EARLY", "exit code 1", 0.01, 0.1, exit_code=1),
        Cause.FAILED_LATE: End("FAILED_LATE", "exit code 2", 0.5, exit_code=2),
        Cause.EXIT_CODE: End("FAILED", "exit code 3", exit_code=3),
        Cause.SIGNAL: End("SIGNALED", "signal 11"),
        Cause.OUT_OF_MEMORY: End("OUT_OF_MEMORY", "it used more memory than it asked for"),
        Cause.WALLTIME: End("TIMEOUT", "the time limit was reached", 1.0),
        Cause.PREEMPTED: End("PREEMPTED", "its slot was taken back"),
        Cause.NODE: End("NODE_FAIL", "the node does not answer"),
        Cause.HELD: End("HELD_TOO_LONG", "it was on hold and was given up"),
        Cause.REMOVED: End("REMOVED", "removed by the administrator"),
        Cause.UNKNOWN: End("ABORTED", ""),
    }
)
"""The ways in which an accepted job may fail."""

MEANINGS: Mapping[str, tuple[Status, Cause | None]] = MappingProxyType(
    {
        PENDING: (Status.SUBMITTED, None),
        HELD: (Status.SUBMITTED, None),
        REQUEUED: (Status.SUBMITTED, None),
        RUNNING: (Status.RUNNING, None),
        COMPLETED: (Status.DONE, None),
        CANCELLED: (Status.CANCELLED, None),
        **{end.word: (Status.FAILED, cause) for cause, end in ENDS.items()},
    }
)

REASONS: Mapping[str, str] = MappingProxyType(
    {
        HELD: "on hold, no reason is given",
        REQUEUED: "its node was needed for somebody else",
        **{end.word: end.reason for end in ENDS.values() if end.reason},
    }
)


def meaning(word: str) -> tuple[Status | None, Cause | None]:
    """Return the status and the cause of a word; `None` for both if the word is unknown."""
    return MEANINGS.get(word, (None, None))
