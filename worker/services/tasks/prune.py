"""prune: delete old rows.

These are final pilots with their history, decisions, reports, changes, tokens that expired or were
revoked long ago, and the answers to requests of more than a day ago.

One execution deletes a bounded number of rows of each kind in one short transaction. If old rows
are left, it brings its own next firing forward in the same transaction. So the executions follow
each other until nothing old is left, and a lost message does not stop them.

Deleted rows cannot be recovered, so a clock that was set ahead by mistake must not cause deletions.
After a week without any record, nothing is deleted until there are records of three days again,
which show that the clock is right.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from worker.db import locks, retention, schedules
from worker.db.uow import Transaction
from worker.domain.schedule import Outcome
from worker.services.runtime import Runtime, TaskResult, busy

NAME = "prune"
AT_ONCE = 10_000
"""How many rows of a kind one execution deletes at most."""

COUNTED = 100_000
"""How many rows of a kind are counted at most, to report how many are left."""

KEPT_TOKENS = timedelta(days=30)
"""How long a token is kept after it has expired or was revoked."""

KEPT_ANSWERS = timedelta(hours=24)
"""How long a repeated request gets its first answer again."""

BELIEVED_AFTER = timedelta(days=3)
"""For how long there must be records without a gap before the clock is trusted."""

GAP = timedelta(days=7)
"""A longer time without a record means that the clock was set ahead, or that the site was off."""


def prune(runtime: Runtime) -> TaskResult:
    """Delete the rows that are older than their retention time."""
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
    """Return why the clock is not trusted yet; empty if it is.

    A new site, without a record from before that time, has nothing to lose, so its clock is
    trusted.
    """
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
    """Return, for each kind, the moment before which a row is old."""
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
