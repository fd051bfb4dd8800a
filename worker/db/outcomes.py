"""Outcomes: the transitions that nobody has learnt from yet, and the queue of each CE.

A transition is learnt from once, whenever it was committed: it is marked, and no clock is asked.
The cost is that of the new ones, however long the history. One that cannot be judged yet is
postponed: until then it is read only together with something new of the same pilot.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Executable, Integer, bindparam, func, select, union, update

from worker.db.rows import encode, rows
from worker.db.tables import NOT_ACCEPTED, ces, has_status, pilots, transitions, vos
from worker.db.types import UtcDateTime
from worker.db.uow import Transaction
from worker.domain.pilot import Status
from worker.policy.learning import Queue
from worker.policy.outcomes import PilotOutcome

LATELY = timedelta(hours=1)
"""How far back the queue of a CE is looked at."""


def unlearned(tx: Transaction, limit: int, now: datetime) -> list[PilotOutcome]:
    """Read transitions that were not learnt from, the oldest first.

    These are up to `limit` new ones and up to `limit` whose postponement is over, and with them
    all others of the same pilots: a new one may decide what could not be judged before.
    """
    listing = tx.execute(_UNLEARNED, {"limit": limit, "now": now}).all()
    return [PilotOutcome._make(row) for row in listing]


def postpone(tx: Transaction, moments: Mapping[int, datetime]) -> None:
    """Note when each of these transitions is to be looked at again."""
    if moments:
        tx.execute(_postpone(tx.dialect), encode(("id", "learn_after"), moments.items()))


def mark(tx: Transaction, ids: Collection[int], now: datetime) -> None:
    """Note that these transitions were learnt from."""
    if ids:
        tx.execute(_mark(tx.dialect), {**encode(("id",), ([i] for i in ids)), "now": now})


def queues(tx: Transaction, now: datetime) -> dict[str, Queue]:
    """Read the queue of every CE that has had a pilot in the last hour."""
    by_ce: dict[str, dict[str, Any]] = {}
    for query in (_WAITING, _RUNNING, _ENDED):
        for row in tx.execute(query, {"since": now - LATELY}).mappings():
            values = by_ce.setdefault(row["ce"], {"drained": 0, "last_began": None})
            values["drained"] += row.get("drained", 0)
            values["last_began"] = _later(values["last_began"], row.get("last_began"))
            if "oldest_waiting_since" in row:
                values["oldest_waiting_since"] = row["oldest_waiting_since"]
    return {ce: Queue(**values) for ce, values in by_ce.items()}


def _later(first: datetime | None, second: datetime | None) -> datetime | None:
    return max((moment for moment in (first, second) if moment is not None), default=None)


_SINCE = bindparam("since", type_=UtcDateTime())
_NOW = bindparam("now", type_=UtcDateTime())

_IS_NEW = transitions.c.learned_at.is_(None)
_CE_ANSWERED = ~has_status(NOT_ACCEPTED, transitions.c.became)
_LIMIT = bindparam("limit", type_=Integer)
_NEW = (
    select(transitions.c.pilot_id)
    .where(_IS_NEW, _CE_ANSWERED, transitions.c.learn_after.is_(None))
    .order_by(transitions.c.id)
    .limit(_LIMIT)
)
_DUE_AGAIN = (
    select(transitions.c.pilot_id)
    .where(_IS_NEW, transitions.c.learn_after <= _NOW)
    .order_by(transitions.c.learn_after)
    .limit(_LIMIT)
)
_CONCERNED = union(
    select(_NEW.subquery("new").c.pilot_id), select(_DUE_AGAIN.subquery("due_again").c.pilot_id)
).subquery("concerned")

_UNLEARNED = (
    select(
        *(transitions.c[name] for name in ("was", "became", "cause", "at")),
        *(pilots.c[name] for name in ("status", "started_at", "ended_at", "checked_at")),
        transitions.c.id,
        ces.c.name.label("ce"),
        transitions.c.raw,
        vos.c.name.label("vo"),
        pilots.c.use,
        pilots.c.exit_code,
    )
    .join_from(_CONCERNED, transitions, transitions.c.pilot_id == _CONCERNED.c.pilot_id)
    .join(pilots, pilots.c.id == transitions.c.pilot_id)
    .join(ces, ces.c.id == pilots.c.ce_id)
    .join(vos, vos.c.id == pilots.c.vo_id)
    .where(_IS_NEW, _CE_ANSWERED)
    .order_by(transitions.c.id)
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
    ids = rows(dialect, id=Integer)
    return update(transitions).where(transitions.c.id == ids.c.id).values(learned_at=_NOW)


@cache
def _postpone(dialect: str) -> Executable:
    moments = rows(dialect, id=Integer, learn_after=UtcDateTime)
    postponed = update(transitions).where(transitions.c.id == moments.c.id)
    return postponed.values(learn_after=moments.c.learn_after)
