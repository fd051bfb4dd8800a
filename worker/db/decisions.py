"""Decisions: how many pilots a CE got for a VO, and why."""

from collections.abc import Collection
from datetime import datetime
from functools import cache

from sqlalchemy import JSON, Executable, Integer, Text, func, insert, select

from worker.db.names import key_of
from worker.db.pages import FIRST, Page, PageRequest, read_page
from worker.db.rows import encode, rows
from worker.db.tables import ces, decisions, vos
from worker.db.types import UtcDateTime
from worker.db.uow import Transaction
from worker.domain.decision import Decision

_DECISIONS = select(
    vos.c.name.label("vo"),
    ces.c.name.label("ce"),
    decisions.c.at,
    decisions.c.granted,
    decisions.c.reason,
    decisions.c.trace,
).select_from(
    decisions.join(vos, decisions.c.vo_id == vos.c.id).join(ces, decisions.c.ce_id == ces.c.id)
)
SORTS = {"id": decisions.c.id, "at": decisions.c.at, "granted": decisions.c.granted}


def add(tx: Transaction, made: Collection[Decision]) -> int:
    """Store a cycle's decisions; return how many. One for an unknown VO or CE is left out."""
    names = ("vo", "ce", "at", "granted", "reason", "trace")
    data = ((d.vo, d.ce, d.at, d.granted, d.reason, dict(d.trace)) for d in made)
    return len(tx.execute(_add(tx.dialect), encode(names, data)).all()) if made else 0


def find(
    tx: Transaction,
    *,
    ce: str | None = None,
    vo: str | None = None,
    until: datetime | None = None,
    asked: PageRequest = FIRST,
) -> Page[Decision]:
    """List decisions, of one CE, of one VO, up to a moment."""
    query = _DECISIONS
    if ce is not None:
        query = query.where(decisions.c.ce_id == key_of(tx, ces, ce))
    if vo is not None:
        query = query.where(decisions.c.vo_id == key_of(tx, vos, vo))
    if until is not None:
        query = query.where(decisions.c.at <= until)
    return read_page(tx, query, decisions.c.id, SORTS, asked, lambda row: Decision(**row))


def last_of_each(
    tx: Transaction, ce: str, *, vo: str | None = None, until: datetime | None = None
) -> list[Decision]:
    """Return the last decision about a CE for each VO, up to a moment."""
    last = (
        select(func.max(decisions.c.id))
        .where(decisions.c.ce_id == ces.c.id, decisions.c.vo_id == vos.c.id)
        .correlate(ces, vos)
    )
    if until is not None:
        last = last.where(decisions.c.at <= until)
    query = _DECISIONS.where(ces.c.name == ce, decisions.c.id == last.scalar_subquery())
    if vo is not None:
        query = query.where(vos.c.name == vo)
    return [Decision(**row) for row in tx.execute(query.order_by(vos.c.name)).mappings()]


def between(tx: Transaction, begin: datetime, end: datetime) -> list[Decision]:
    """Return all decisions of a time, tick by tick."""
    query = _DECISIONS.where(decisions.c.at >= begin, decisions.c.at < end)
    listing = tx.execute(query.order_by(decisions.c.at, vos.c.name, ces.c.name)).mappings()
    return [Decision(**row) for row in listing]


@cache
def _add(dialect: str) -> Executable:
    new = rows(
        dialect,
        vo=Text,
        ce=Text,
        at=UtcDateTime,
        granted=Integer,
        reason=Text,
        trace=JSON,
    )
    stored = insert(decisions).from_select(
        ["vo_id", "ce_id", "at", "granted", "reason", "trace"],
        select(vos.c.id, ces.c.id, new.c.at, new.c.granted, new.c.reason, new.c.trace)
        .join_from(new, vos, vos.c.name == new.c.vo)
        .join(ces, ces.c.name == new.c.ce),
    )
    return stored.returning(decisions.c.id)
