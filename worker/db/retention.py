"""Retention: rows past their time are deleted, the oldest first, a limited number at a time.

Rows that belong to a row, such as a pilot's history and its kept output, are deleted with it.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Executable,
    Integer,
    Table,
    Text,
    bindparam,
    delete,
    exists,
    func,
    select,
    tuple_,
)

from worker.db.rows import encode, rows
from worker.db.tables import (
    answered_requests,
    ce_lists,
    changes,
    decision_bases,
    decisions,
    maintenances,
    pilots,
    reports,
    sending_changes,
    tokens,
)
from worker.db.types import UtcDateTime
from worker.db.uow import Transaction

MOMENTS: Mapping[str, tuple[Table, ColumnElement[Any]]] = {
    "pilots": (pilots, pilots.c.ended_at),
    "decisions": (decisions, decisions.c.until),
    "reports": (reports, reports.c.at),
    "pauses": (sending_changes, sending_changes.c.at),
    "maintenances": (maintenances, maintenances.c.ends_at),
    "changes": (changes, changes.c.at),
    "tokens": (tokens, func.coalesce(tokens.c.revoked_at, tokens.c.expires_at)),
    "answers": (answered_requests, answered_requests.c.at),
}
"""For each kind its table, and the moment that makes a row old. A row without this moment, such as
an active pilot, is never old."""


def remove(tx: Transaction, kind: str, before: datetime, limit: int) -> int:
    """Delete up to `limit` rows that are older than a moment; return how many.

    Rows that are locked by others are left for a later call.
    """
    old = tx.execute(_old(kind), {"before": before, "limit": limit}).all()
    if old:
        tx.execute(_delete(tx.dialect, kind), encode(list(_key(kind)), map(tuple, old)))
    if kind == "decisions":
        _remove_bases(tx, before, limit)
    return len(old)


def _remove_bases(tx: Transaction, before: datetime, limit: int) -> None:
    """Delete bases that no decision refers to any more, and lists of CEs without a base."""
    tx.execute(_UNUSED_BASES, {"before": before, "limit": limit})
    tx.execute(_UNUSED_LISTS)


def count(tx: Transaction, kind: str, before: datetime, limit: int | None = None) -> int:
    """Count the rows that are older than a moment, at most up to a limit."""
    _, moment = MOMENTS[kind]
    old = select(moment.label("moment")).where(moment < before).limit(limit).subquery()
    return int(tx.execute(select(func.count()).select_from(old)).scalar_one())


def newest_record(tx: Transaction, before: datetime) -> datetime | None:
    """Return the last moment, not after this one, at which a decision or report was stored."""
    moments = [
        tx.execute(select(func.max(column)).where(column <= before)).scalar_one()
        for column in (decisions.c.until, reports.c.at)
    ]
    return max(filter(None, moments), default=None)


_UNUSED_BASES = delete(decision_bases).where(
    decision_bases.c.id.in_(
        select(decision_bases.c.id)
        .where(
            decision_bases.c.at < bindparam("before", type_=UtcDateTime()),
            ~exists().where(decisions.c.base_id == decision_bases.c.id),
        )
        .order_by(decision_bases.c.at)
        .limit(bindparam("limit", type_=Integer))
    )
)
_FIRST_BASE = (
    select(decision_bases.c.id)
    .where(decision_bases.c.list_id == ce_lists.c.id)
    .order_by(decision_bases.c.at)
    .limit(1)
)
# The newest list is kept: it may belong to a cycle that is not committed yet.
_UNUSED_LISTS = delete(ce_lists).where(
    ce_lists.c.id < select(func.max(ce_lists.c.id)).scalar_subquery(),
    _FIRST_BASE.correlate(ce_lists).scalar_subquery().is_(None),
)


@cache
def _old(kind: str) -> Executable:
    table, moment = MOMENTS[kind]
    query = (
        select(*table.primary_key.columns)
        .where(moment < bindparam("before", type_=UtcDateTime()))
        .order_by(moment)
        .limit(bindparam("limit", type_=Integer))
    )
    # Rows of `changes` cannot be changed, so they are not locked; a lock would also need the
    # privilege to change them.
    return query if table is changes else query.with_for_update(skip_locked=True)


@cache
def _delete(dialect: str, kind: str) -> Executable:
    # The keys are given as values: with a subquery, the planner may read the whole table.
    old = rows(dialect, **_key(kind))
    table, _ = MOMENTS[kind]
    columns = list(table.primary_key.columns)
    key = columns[0] if len(columns) == 1 else tuple_(*columns)
    return delete(table).where(key.in_(select(*old.c)))


def _key(kind: str) -> dict[str, type[Integer | Text]]:
    """Return the names of the columns of a primary key, and their types for `rows`."""
    table, _ = MOMENTS[kind]
    return {
        column.name: Integer if isinstance(column.type, Integer) else Text
        for column in table.primary_key.columns
    }
