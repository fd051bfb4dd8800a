"""What becomes of moments that lie ahead when the clock is set back: nobody waits for them."""

from datetime import datetime, timedelta

from sqlalchemy import Column, Update, bindparam, update

from worker.db.pilots import UNDECIDED
from worker.db.tables import (
    ce_health,
    credentials,
    has_status,
    leases,
    pilots,
    schedules,
    transitions,
    vo_demands,
)
from worker.db.types import UtcDateTime
from worker.db.uow import Transaction
from worker.domain.pilot import Status

FAR = timedelta(minutes=15)
"""No back-off and no lease is set further ahead than that."""

_NOW = bindparam("now", type_=UtcDateTime())
_LIMIT = bindparam("limit", type_=UtcDateTime())


def pull_back(tx: Transaction, now: datetime) -> None:
    """Let all that is to happen at a moment far ahead happen now, and what has been be no later.

    A check or a call that comes too early does no harm. A pilot in doubt, or one that is missing,
    is given all its time anew.
    """
    for statement in _AHEAD:
        tx.execute(statement, {"now": now, "limit": now + FAR})
    for statement in _SINCE:
        tx.execute(statement, {"now": now})


def _pulled(column: Column[datetime], limit: object) -> Update:
    return update(column.table).where(column > limit).values({column.name: _NOW})


_AHEAD = [
    *(
        _pulled(column, _LIMIT)
        for column in (
            leases.c.until,
            ce_health.c.retry_at,
            credentials.c.retry_at,
            pilots.c.next_check_at,
        )
    ),
    _pulled(transitions.c.learn_after, _LIMIT).where(transitions.c.learned_at.is_(None)),
]
_SINCE = [
    # Of the active only: their index is short, the history is not, and is to stay as it is.
    _pulled(pilots.c.claimed_at, _NOW).where(has_status([Status.SUBMITTING])),
    _pulled(pilots.c.missing_since, _NOW).where(has_status(UNDECIDED)),
    _pulled(vo_demands.c.surplus_since, _NOW),
    _pulled(ce_health.c.unanswered_since, _NOW),
    _pulled(schedules.c.pending_since, _NOW),
]
