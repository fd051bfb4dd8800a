"""Repair after the clock was set back: nothing keeps waiting for a moment of the old clock."""

from datetime import datetime, timedelta

from sqlalchemy import Column, ColumnElement, Update, bindparam, select, update

from worker.db.pilots import CE_MAY_HAVE_IT
from worker.db.tables import (
    ce_health,
    credentials,
    has_status,
    leases,
    pilots,
    schedules,
    transitions,
    vo_demands,
    webhook_events,
)
from worker.db.types import UtcDateTime
from worker.db.uow import Transaction
from worker.domain.pilot import OCCUPYING, Status

FAR = timedelta(minutes=15)
"""No back-off of a CE ends later than this from now, and with the default time limit no lease
either."""

VERY_FAR = timedelta(days=1) + FAR
"""No due time at all is later than this from now, whatever the options of a CE are."""

_NOW = bindparam("now", type_=UtcDateTime())
_LIMIT = bindparam("limit", type_=UtcDateTime())


def clamp(tx: Transaction, now: datetime, beyond: timedelta = FAR) -> None:
    """Set due times that are too far ahead, and beginnings that are in the future, to now.

    A check, a call or an event that comes too early does no harm. For a pilot that is in doubt or
    missing, the waiting time begins again.
    """
    for statement in _DUE_TIMES:
        tx.execute(statement, {"now": now, "limit": now + beyond})
    for statement in _BEGINNINGS:
        tx.execute(statement, {"now": now})


def _set_to_now(
    column: Column[datetime], limit: object, condition: ColumnElement[bool] | None = None
) -> Update:
    """Make a statement that skips locked rows: it has no order, so waiting could deadlock.

    A locked row is being written just now, or else it is set at the next sweep.
    """
    [key] = column.table.primary_key.columns
    ahead = select(key).where(column > limit).with_for_update(key_share=True, skip_locked=True)
    if condition is not None:
        ahead = ahead.where(condition)
    return update(column.table).where(key.in_(ahead)).values({column.name: _NOW})


_DUE_TIMES = [
    *(
        _set_to_now(column, _LIMIT)
        for column in (
            leases.c.until,
            ce_health.c.retry_at,
            credentials.c.retry_at,
            webhook_events.c.next_at,
        )
    ),
    # Only active pilots: they have a small index. The history is long, and must not change.
    _set_to_now(pilots.c.next_check_at, _LIMIT, has_status(OCCUPYING)),
    _set_to_now(transitions.c.learn_after, _LIMIT, transitions.c.learned_at.is_(None)),
]
_BEGINNINGS = [
    _set_to_now(pilots.c.claimed_at, _NOW, has_status([Status.SUBMITTING])),
    _set_to_now(pilots.c.missing_since, _NOW, has_status(CE_MAY_HAVE_IT)),
    _set_to_now(vo_demands.c.answered_at, _NOW),
    _set_to_now(vo_demands.c.surplus_since, _NOW),
    _set_to_now(vo_demands.c.lower_since, _NOW),
    _set_to_now(ce_health.c.unanswered_since, _NOW),
    _set_to_now(schedules.c.pending_since, _NOW),
]


def statements() -> list[Update]:
    """Return all statements of `clamp`."""
    return [*_DUE_TIMES, *_BEGINNINGS]
