"""Outcomes: the transitions that nobody has learnt from yet, and the queue of each CE.

A transition is learnt from once, whenever it was committed: it is marked, and no clock is asked.
The cost is that of the new ones, however long the history.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Executable, Integer, bindparam, func, select, update

from worker.db.rows import encode, rows
from worker.db.tables import UNTOLD, ces, has_status, pilots, transitions
from worker.db.types import UtcDateTime
from worker.db.uow import Transaction
from worker.domain.pilot import Cause, Status

LATELY = timedelta(hours=1)
"""How far back the queue of a CE is looked at."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One transition, at which CE, and what its pilot is now."""

    id: int
    ce: str
    was: Status | None
    became: Status
    cause: Cause | None
    at: datetime
    status: Status
    started_at: datetime | None
    ended_at: datetime | None
    checked_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class CEQueue:
    """What waits at a CE, and what began there lately."""

    oldest_waiting_since: datetime | None = None
    last_began: datetime | None = None
    drained: int = 0


def unlearned(tx: Transaction, limit: int) -> list[Outcome]:
    """Read transitions that were not learnt from, the oldest first."""
    found = tx.execute(_UNLEARNED, {"limit": limit}).mappings()
    return [Outcome(**row) for row in found]


def mark(tx: Transaction, ids: Collection[int], now: datetime) -> None:
    """Note that these were learnt from."""
    if ids:
        tx.execute(_mark(tx.dialect), {**encode(("id",), ([i] for i in ids)), "now": now})


def queues(tx: Transaction, now: datetime) -> dict[str, CEQueue]:
    """Look at the queue of every CE that has had a pilot lately."""
    found: dict[str, dict[str, Any]] = {}
    for query in (_WAITING, _RUNNING, _ENDED):
        for row in tx.execute(query, {"since": now - LATELY}).mappings():
            values = found.setdefault(row["ce"], {"drained": 0, "last_began": None})
            values["drained"] += row.get("drained", 0)
            values["last_began"] = _later(values["last_began"], row.get("last_began"))
            if "oldest_waiting_since" in row:
                values["oldest_waiting_since"] = row["oldest_waiting_since"]
    return {ce: CEQueue(**values) for ce, values in found.items()}


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((moment for moment in (one, other) if moment is not None), default=None)


_SINCE = bindparam("since", type_=UtcDateTime())
_NOW = bindparam("now", type_=UtcDateTime())

_UNLEARNED = (
    select(
        transitions.c.id,
        ces.c.name.label("ce"),
        *(transitions.c[name] for name in ("was", "became", "cause", "at")),
        *(pilots.c[name] for name in ("status", "started_at", "ended_at", "checked_at")),
    )
    .select_from(
        transitions.join(pilots, pilots.c.id == transitions.c.pilot_id).join(
            ces, ces.c.id == pilots.c.ce_id
        )
    )
    .where(
        transitions.c.learned_at.is_(None),
        ~has_status(UNTOLD, transitions.c.became),
    )
    .order_by(transitions.c.id)
    .limit(bindparam("limit", type_=Integer))
)

_WAITING = (
    select(ces.c.name.label("ce"), func.min(pilots.c.submitted_at).label("oldest_waiting_since"))
    .join_from(pilots, ces, pilots.c.ce_id == ces.c.id)
    .where(has_status([Status.SUBMITTED]))
    .group_by(ces.c.name)
)

_BEGAN = (
    select(
        ces.c.name.label("ce"),
        func.max(pilots.c.started_at).label("last_began"),
        func.count().filter(pilots.c.started_at >= _SINCE).label("drained"),
    )
    .join_from(pilots, ces, pilots.c.ce_id == ces.c.id)
    .group_by(ces.c.name)
)
# Whatever began lately either runs or has ended lately: two small sets, each with its index.
_RUNNING = _BEGAN.where(has_status([Status.RUNNING]))
_ENDED = _BEGAN.where(pilots.c.ended_at >= _SINCE, pilots.c.started_at.is_not(None))


@cache
def _mark(dialect: str) -> Executable:
    wanted = rows(dialect, id=Integer)
    return update(transitions).where(transitions.c.id == wanted.c.id).values(learned_at=_NOW)
