"""prune: forget final pilots and their history, decisions, reports and changes that are old enough.

One execution deletes a bounded number of each kind in one short transaction. Where something is
left it brings its own next firing forward in the same transaction, so that the executions go on
one after the other until nothing old is left, and no lost message stops them.
"""

from collections.abc import Mapping
from datetime import datetime

from worker.db import locks, retention, schedules
from worker.services.runtime import Runtime, TaskResult, busy

NAME = "prune"
AT_ONCE = 10_000
"""Rows of a kind that one execution deletes at most."""

COUNTED = 100_000
"""Rows of a kind that are counted at most, to say how many are left."""


def prune(runtime: Runtime) -> TaskResult:
    """Delete what is older than it is kept."""
    now = runtime.now()
    with runtime.database.uow() as tx:
        if not locks.try_lock(tx, NAME):
            return busy("another execution prunes")
        limits = _limits(runtime, now)
        removed_rows = {
            kind: retention.remove(tx, kind, before, AT_ONCE) for kind, before in limits.items()
        }
        left = {
            kind: retention.count(tx, kind, limits[kind], COUNTED)
            for kind, removed in removed_rows.items()
            if removed == AT_ONCE
        }
        if any(left.values()) and not runtime.by_hand:
            schedules.bring_forward(tx, NAME, now)
    return TaskResult(counts=removed_rows, left=_in_words(left))


def plan(runtime: Runtime) -> TaskResult:
    """Return what `prune` would delete now, and change nothing."""
    with runtime.database.uow() as tx:
        old = {
            f"old {kind}": retention.count(tx, kind, before)
            for kind, before in _limits(runtime, runtime.now()).items()
        }
    return TaskResult(counts=old)


def _limits(runtime: Runtime, now: datetime) -> dict[str, datetime]:
    """Return, for each kind, the moment before which it is old."""
    own = {
        "pilots": runtime.keep_final,
        "decisions": runtime.keep_decisions,
        "changes": runtime.keep_changes,
    }
    return {kind: now - own.get(kind, runtime.keep_reports) for kind in retention.MOMENTS}


def _in_words(left: Mapping[str, int]) -> str:
    return ", ".join(
        f"{kind} {number}{' or more' if number == COUNTED else ''}"
        for kind, number in left.items()
        if number
    )
