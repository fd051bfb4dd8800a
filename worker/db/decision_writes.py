"""Writing decisions: a cycle adds a tick to the row before, or makes a row and perhaps a base."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache, lru_cache
from hashlib import sha256
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Executable,
    Integer,
    LargeBinary,
    ScalarSelect,
    Select,
    Text,
    bindparam,
    func,
    insert,
    literal,
    select,
    union_all,
    update,
)

from worker.db import locks
from worker.db.compact import Cell, Columns
from worker.db.rows import encode, rows
from worker.db.tables import ce_list_places, ce_lists, ces, decision_bases, decisions, vos
from worker.db.types import UtcDateTime
from worker.db.uow import Transaction
from worker.domain.decision import Decision

FRESH = timedelta(seconds=30)
"""The age up to which a base is used. The cycles of one round come within seconds."""


STALE = timedelta(minutes=5)
"""Above this age a base is never used, even if another cycle is writing a new one."""


SPAN = timedelta(hours=1)
"""The most time between the first and the last tick of one row."""


read_base = lru_cache(maxsize=4)(Columns.read)
"""Reads a base. It is cached, because the cycles of one round have the same base."""


def add(tx: Transaction, made: Collection[Decision]) -> int:
    """Store a cycle's decisions; return how many. Those for an unknown VO or CE are left out."""
    if not made:
        return 0
    keys = _keys(tx, made)
    cycles: dict[tuple[int, datetime], list[tuple[int, Cell]]] = {}
    for one in made:
        vo, ce = keys.get(("vo", one.vo)), keys.get(("ce", one.ce))
        if vo is not None and ce is not None:
            cell = Cell(one.granted, one.reason, dict(one.trace))
            cycles.setdefault((vo, _aware(one.at)), []).append((ce, cell))
    for (vo, at), cells in cycles.items():
        _add(tx, vo, at, [ce for ce, _ in cells], [cell for _, cell in cells])
    return sum(map(len, cycles.values()))


def _keys(tx: Transaction, made: Iterable[Decision]) -> dict[tuple[str, str], int]:
    named = {("vo", one.vo) for one in made} | {("ce", one.ce) for one in made}
    listing = tx.execute(_names(tx.dialect), encode(("kind", "name"), named))
    return {(row.kind, row.name): row.id for row in listing}


def _aware(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError(f"{at} has no time zone")
    return at


def _add(
    tx: Transaction, vo: int, at: datetime, ce_ids: Sequence[int], cells: Sequence[Cell]
) -> None:
    """Store one cycle: as one more tick of the row before, or as a new row."""
    columns = Columns.of(cells)
    digest, list_digest = columns.digest(), _digest(ce_ids)
    before = tx.execute(_BEFORE, {"digest": list_digest, "vo": vo, "end": at + FRESH}).first()
    if before is not None and before.last_digest == digest:
        gap = (at - before.until) // timedelta(microseconds=1)
        if gap > 0 and at - before.at < SPAN:
            tx.execute(_EXTEND, {"row": before.last, "until": at, "gap": f" {gap}"})
            return
    list_id = _new_list(tx, list_digest, ce_ids) if before is None else before.list
    if before is None or _needs_base(tx, before.base_at, at):
        base_id, whole = _new_base(tx, list_id, at, columns)
    else:
        base_id, whole = before.base, before.cells
    tx.execute(
        insert(decisions),
        {
            "vo_id": vo,
            "list_id": list_id,
            "base_id": base_id,
            "at": at,
            "until": at,
            "ticks": 1,
            "granted": sum(cell.granted for cell in cells),
            "digest": digest,
            "cells": columns.write(read_base(whole)),
        },
    )


def _needs_base(tx: Transaction, base_at: datetime | None, at: datetime) -> bool:
    """Return whether a cycle must write a base. While another cycle writes one, an older base is
    used if it is not stale.
    """
    if base_at is None or at - base_at > STALE:
        return True
    return at - base_at > FRESH and locks.try_lock(tx, "decision base")


def _digest(ce_ids: Sequence[int]) -> bytes:
    return sha256(",".join(map(str, ce_ids)).encode()).digest()


def _new_list(tx: Transaction, digest: bytes, ce_ids: Sequence[int]) -> int:
    new = insert(ce_lists).values(digest=digest, places=len(ce_ids)).returning(ce_lists.c.id)
    list_id = int(tx.execute(new).scalar_one())
    places = ((list_id, place, ce) for place, ce in enumerate(ce_ids))
    tx.execute(_new_places(tx.dialect), encode(("list_id", "place", "ce_id"), places))
    return list_id


def _new_base(tx: Transaction, list_id: int, at: datetime, columns: Columns) -> tuple[int, bytes]:
    cells = columns.write()
    new = insert(decision_bases).values(list_id=list_id, at=at, cells=cells)
    return int(tx.execute(new.returning(decision_bases.c.id)).scalar_one()), cells


@cache
def _names(dialect: str) -> Executable:
    named = rows(dialect, kind=Text, name=Text)
    return union_all(
        *(
            select(literal(kind).label("kind"), table.c.name, table.c.id).join_from(
                named, table, (named.c.kind == kind) & (named.c.name == table.c.name)
            )
            for kind, table in (("vo", vos), ("ce", ces))
        )
    )


@cache
def _new_places(dialect: str) -> Executable:
    new = rows(dialect, list_id=Integer, place=Integer, ce_id=Integer)
    return insert(ce_list_places).from_select(
        ["list_id", "place", "ce_id"], select(new.c.list_id, new.c.place, new.c.ce_id)
    )


def _last_row() -> ScalarSelect[int]:
    """Select the last row of a VO in a list, except those of a clock that was set back."""
    return (
        select(decisions.c.id)
        .where(
            decisions.c.list_id == ce_lists.c.id,
            decisions.c.vo_id == bindparam("vo", type_=Integer),
            decisions.c.at <= bindparam("end", type_=UtcDateTime()),
        )
        .order_by(decisions.c.at.desc(), decisions.c.id.desc())
        .limit(1)
        .correlate(ce_lists)
        .scalar_subquery()
    )


def _last_base() -> ScalarSelect[int]:
    """Select the last base of a list up to a moment: a cycle that began later may write first."""
    return (
        select(decision_bases.c.id)
        .where(
            decision_bases.c.list_id == ce_lists.c.id,
            decision_bases.c.at <= bindparam("end", type_=UtcDateTime()),
        )
        .order_by(decision_bases.c.at.desc(), decision_bases.c.id.desc())
        .limit(1)
        .correlate(ce_lists)
        .scalar_subquery()
    )


def _is_newest() -> ColumnElement[bool]:
    """Match the newest list, if it is whole.

    Only the newest list gets new rows. So if a VO has any row in it, the last row of the VO is one
    of them. A list is not whole if one of its CEs was removed: another CE may get the same key.
    """
    newest = ce_lists.alias()
    present = (
        select(func.count())
        .where(ce_list_places.c.list_id == ce_lists.c.id)
        .correlate(ce_lists)
        .scalar_subquery()
    )
    return (ce_lists.c.id == select(func.max(newest.c.id)).scalar_subquery()) & (
        ce_lists.c.places == present
    )


def _before() -> Select[Any]:
    """Select the list of a cycle, the last row of its VO, and the last base."""
    return (
        select(
            ce_lists.c.id.label("list"),
            decisions.c.id.label("last"),
            decisions.c.digest.label("last_digest"),
            decisions.c.at,
            decisions.c.until,
            decision_bases.c.id.label("base"),
            decision_bases.c.at.label("base_at"),
            decision_bases.c.cells,
        )
        .select_from(ce_lists)
        .outerjoin(decisions, decisions.c.id == _last_row())
        .outerjoin(decision_bases, decision_bases.c.id == _last_base())
        .where(_is_newest(), ce_lists.c.digest == bindparam("digest", type_=LargeBinary))
    )


_BEFORE = _before()


_EXTEND = (
    update(decisions)
    .where(decisions.c.id == bindparam("row"))
    .values(
        until=bindparam("until", type_=UtcDateTime()),
        ticks=decisions.c.ticks + 1,
        gaps=decisions.c.gaps + bindparam("gap", type_=Text),
    )
)
