"""prune: forget final pilots and their history, decisions, reports and changes that are old enough,
tokens that stopped being valid long ago, and what was answered to requests a day ago.

One execution deletes a bounded number of each kind in one short transaction. Where something is
left it brings its own next firing forward in the same transaction, so that the executions go on
one after the other until nothing old is left, and no lost message stops them.

What is deleted does not come back, so a clock that was set ahead must not decide it: after days
without any record, nothing is deleted before records of some days say that time goes on.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from worker.db import locks, retention, schedules
from worker.db.uow import Transaction
from worker.domain.schedule import Outcome
from worker.services.runtime import Runtime, TaskResult, busy

NAME = "prune"
AT_ONCE = 10_000
"""Rows of a kind that one execution deletes at most."""

COUNTED = 100_000
"""Rows of a kind that are counted at most, to say how many are left."""

KEPT_TOKENS = timedelta(days=30)
"""How long a token stays after it has expired or was revoked."""

KEPT_ANSWERS = timedelta(hours=24)
"""How long a request that is repeated gets the answer it got."""

BELIEVED_AFTER = timedelta(days=3)
"""How long records must go back without a gap before the clock is believed."""

GAP = timedelta(days=7)
"""A longer time without a record is a clock that was set ahead, or a site that was off."""


def prune(runtime: Runtime) -> TaskResult:
    """Delete what is older than it is kept."""
    now = runtime.now()
    with runtime.database.uow() as tx:
        if not locks.try_lock(tx, NAME):
            return busy("another execution prunes")
        if not runtime.by_hand and (doubt := _doubt(tx, now)):
            return TaskResult(outcome=Outcome.FAILED, lines=(doubt,))
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


def _doubt(tx: Transaction, now: datetime) -> str:
    """Say why the clock is not believed yet; empty if it is. A young site has nothing to lose."""
    last = retention.newest_record(tx, now - BELIEVED_AFTER)
    if last is None or now - BELIEVED_AFTER - last <= GAP:
        return ""
    return (
        f"nothing is deleted yet: there is no record from {last:%Y-%m-%d} until"
        f" {BELIEVED_AFTER.days} days ago, so the clock may have been set ahead; if it is right,"
        " wait, or run 'pilotage task run prune'"
    )


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
        "tokens": KEPT_TOKENS,
        "answers": KEPT_ANSWERS,
    }
    return {kind: now - own.get(kind, runtime.keep_reports) for kind in retention.MOMENTS}


def _in_words(left: Mapping[str, int]) -> str:
    return ", ".join(
        f"{kind} {number}{' or more' if number == COUNTED else ''}"
        for kind, number in left.items()
        if number
    )
