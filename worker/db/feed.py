"""Reads of the feed of transitions: where it begins, and which transitions follow a position."""

from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    Text,
    bindparam,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    true,
)

from worker.db.engine import POSTGRESQL
from worker.db.tables import ces, pilots, transitions, vos
from worker.db.types import KEY, UtcDateTime
from worker.db.uow import Transaction
from worker.domain.feed import PilotEvent, Snapshot

LOOK_BACK = 10_000
"""A new feed looks for gaps that may still be filled among so many of the newest transitions."""


@dataclass(frozen=True)
class Place:
    """A position in the feed: the moment of its own transition, if kept, and the next id, or 0.

    `newest` is the newest id of all. `start` is the position itself; if the position is beyond the
    newest id, it is the newest safe position.
    """

    at: datetime | None
    next_id: int
    newest: int
    start: int


def place(tx: Transaction, position: int, since: datetime) -> Place:
    """Return the transitions around a position; for `since` see `newest_safe_position`."""
    row = tx.execute(_place(tx.dialect), {"position": position, "since": since}).one()
    return Place(at=row.at, next_id=row.next_id, newest=row.newest, start=row.start)


def newest_safe_position(tx: Transaction, since: datetime) -> int:
    """Return the newest position after which all transitions that are still committed will appear.

    It is the newest id. But while a transaction writes, it is below every gap that began since a
    moment.
    """
    return int(tx.execute(select(_newest_safe(tx.dialect)), {"since": since}).scalar_one())


def following(
    tx: Transaction, position: int, limit: int
) -> tuple[list[PilotEvent], Snapshot | None]:
    """Return the transitions with higher ids, in order, and the snapshot in which they were read.

    SQLite has a single writer, and needs no snapshot.
    """
    listing = tx.execute(_following(tx.dialect), {"position": position, "limit": limit}).all()
    events = [PilotEvent(**dict(zip(_NAMES, row, strict=False))) for row in listing if row.id]
    if tx.dialect != POSTGRESQL:
        return events, None
    return events, Snapshot(listing[0].oldest, listing[0].following)


_NAMES = tuple(field.name for field in fields(PilotEvent))
_POSITION = bindparam("position", type_=KEY)
_NEWEST: ColumnElement[int] = func.coalesce(select(func.max(transitions.c.id)).scalar_subquery(), 0)


@cache
def _place(dialect: str) -> Select[Any]:
    at = select(transitions.c.at).where(transitions.c.id == _POSITION)
    next_id = select(func.min(transitions.c.id)).where(transitions.c.id > _POSITION)
    return select(
        at.scalar_subquery().label("at"),
        func.coalesce(next_id.scalar_subquery(), 0).label("next_id"),
        _NEWEST.label("newest"),
        case((_NEWEST < _POSITION, _newest_safe(dialect)), else_=_POSITION).label("start"),
    )


@cache
def _following(dialect: str) -> Select[Any]:
    # The limit is in the subquery, so that the planner applies it before it joins.
    part = (
        select(transitions)
        .where(transitions.c.id > _POSITION)
        .order_by(transitions.c.id)
        .limit(bindparam("limit", type_=Integer))
        .subquery()
    )
    others = {"stamp": pilots.c.stamp, "vo": vos.c.name, "ce": ces.c.name}
    columns = [
        others[name].label(name) if name in others else part.c[name].label(name) for name in _NAMES
    ]
    source = (
        part.join(pilots, part.c.pilot_id == pilots.c.id)
        .join(vos, pilots.c.vo_id == vos.c.id)
        .join(ces, pilots.c.ce_id == ces.c.id)
    )
    query = select(*columns).select_from(source)
    if dialect != POSTGRESQL:
        return query.order_by(part.c.id)
    # One statement has one snapshot. The snapshot is returned even if no transition follows.
    events = query.subquery("events")
    snapshot = select(_number("xmin").label("oldest"), _number("xmax").label("following"))
    named = snapshot.subquery("snapshot")
    both = named.outerjoin(events, true())
    return select(*events.c, *named.c).select_from(both).order_by(events.c.id)


def _newest_safe(dialect: str) -> ColumnElement[int]:
    if dialect != POSTGRESQL:
        return _NEWEST
    nobody_writes = _number("xmin") == _number("xmax")
    return case((nobody_writes, _NEWEST), else_=func.coalesce(_below_gaps(), _NEWEST))


def _below_gaps() -> ColumnElement[int]:
    """Select the id below the first gap among the newest transitions."""
    recent = (
        select(transitions.c.id, transitions.c.at)
        .order_by(transitions.c.id.desc())
        .limit(LOOK_BACK)
        .subquery()
    )
    steps = select(
        recent.c.id,
        recent.c.at,
        func.lag(recent.c.id, 1, literal(0, KEY)).over(order_by=recent.c.id).label("below"),
        func.count().over().label("steps"),
    ).subquery()
    # If there are LOOK_BACK rows, the row below the lowest was not read, so no gap is known there.
    is_read = or_(steps.c.below > 0, steps.c.steps < LOOK_BACK)
    lowest = select(func.min(steps.c.below)).where(
        steps.c.id > steps.c.below + 1,
        steps.c.at >= bindparam("since", type_=UtcDateTime()),
        is_read,
    )
    return lowest.scalar_subquery()


def _number(end: str) -> ColumnElement[int]:
    """Return the number of the transaction that bounds the statement's snapshot at this end."""
    bound = getattr(func, f"pg_snapshot_{end}")(func.pg_current_snapshot())
    return cast(cast(bound, Text), BigInteger)
