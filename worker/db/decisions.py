"""Decisions: how many pilots a CE got for a VO, and why.

A cycle of a VO decides about all CEs at once, and is one row. Its numbers are written as changes to
a base, the whole of another cycle just before: about the same CEs, the VOs of one minute know
nearly the same. A cycle that decided as the one before is no row at all, but one more tick of it.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, cached_property, lru_cache
from hashlib import sha256
from itertools import accumulate
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Executable,
    Integer,
    LargeBinary,
    ScalarSelect,
    Select,
    Text,
    any_,
    bindparam,
    func,
    insert,
    literal,
    select,
    type_coerce,
    union_all,
    update,
)

from worker.db import locks
from worker.db.compact import GRANTED, TEMPLATE, Cell, Columns
from worker.db.engine import POSTGRESQL
from worker.db.names import key_of
from worker.db.pages import FIRST, Page, PageRequest, read_page
from worker.db.rows import encode, is_among, keys_of, rows
from worker.db.tables import ce_list_places, ce_lists, ces, decision_bases, decisions, vos
from worker.db.types import UtcDateTime
from worker.db.uow import Transaction
from worker.domain.decision import Decision

FRESH = timedelta(seconds=30)
"""A base is so near to a cycle in time: the cycles of one round come within seconds."""

STALE = timedelta(minutes=5)
"""A base that is older is of no use, even to whoever would write one beside another."""

SPAN = timedelta(hours=1)
"""The ticks of one row are at most so far apart."""

_DIGITS = re.compile(r"[\d\0\1]+")

MOST_PLACES = 1_000_000
_KEY = type_coerce(decisions.c.id * MOST_PLACES + ce_list_places.c.place, BigInteger)
"""One decision, that is a row and a place in it, as a number."""

SORTS: Mapping[str, ColumnElement[Any]] = {"at": decisions.c.until}


_whole = lru_cache(maxsize=4)(Columns.read)
"""Reads a base. The cycles of one round have the same."""


@dataclass(frozen=True, kw_only=True)
class _Row:
    """A row of cycles that decided the same."""

    id: int
    vo: str
    at: datetime
    gaps: str
    cells: bytes
    base: bytes

    @cached_property
    def columns(self) -> Columns:
        return Columns.read(self.cells, _whole(self.base))

    @cached_property
    def moments(self) -> list[datetime]:
        """When each cycle was, the first one first."""
        since = accumulate(map(int, self.gaps.split()), initial=0)
        return [self.at + timedelta(microseconds=one) for one in since]

    def decision(self, ce: str, place: int, until: datetime | None) -> Decision:
        """Return what it says of a CE, as of the last cycle up to a moment."""
        moments = [one for one in self.moments if until is None or one <= until]
        return self._decision(ce, place, moments[-1], len(moments))

    def each(self, ce: str, place: int) -> list[Decision]:
        """Return what it says of a CE, for each cycle."""
        return [self._decision(ce, place, moment, 1) for moment in self.moments]

    def _decision(self, ce: str, place: int, at: datetime, times: int) -> Decision:
        cell = self.columns.cell(place)
        return Decision(
            vo=self.vo,
            ce=ce,
            at=at,
            granted=cell.granted,
            reason=cell.reason,
            trace=cell.trace,
            times=times,
        )


@dataclass(frozen=True, kw_only=True)
class Cycle:
    """The last cycle of a VO: how many pilots each CE got. The reason is read CE by CE."""

    vo: str
    at: datetime
    granted: Mapping[str, int]
    row: _Row
    places: Mapping[str, int]
    until: datetime | None

    def decision(self, ce: str) -> Decision:
        """Return what it says of a CE."""
        return self.row.decision(ce, self.places[ce], self.until)

    def template(self, ce: str) -> str:
        """Return its reason without numbers: alike for CEs that it decided alike, and cheap."""
        text = self.row.columns.columns[TEMPLATE].value(self.places[ce])[0]
        return _DIGITS.sub("", str(text))


def add(tx: Transaction, made: Collection[Decision]) -> int:
    """Store a cycle's decisions; return how many. One for an unknown VO or CE is left out."""
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


def find(
    tx: Transaction,
    *,
    ce: str | None = None,
    vo: str | None = None,
    until: datetime | None = None,
    asked: PageRequest = FIRST,
) -> Page[Decision]:
    """List decisions, of one CE, of one VO, up to a moment. Equal ones in a row are one."""
    query = _PLACES
    if ce is not None:
        query = query.where(ces.c.id == key_of(tx, ces, ce))
    if vo is not None:
        query = query.where(decisions.c.vo_id == key_of(tx, vos, vo))
    if until is not None:
        query = query.where(decisions.c.at <= until)
    page = read_page(tx, query, _KEY, SORTS, asked, dict)
    by_id = {row.id: row for row in _rows(tx, {item["id"] for item in page.items})}
    listed = [by_id[item["id"]].decision(item["ce"], item["place"], until) for item in page.items]
    return Page(listed, page.next)


def last_of_each(
    tx: Transaction, ce: str, *, vo: str | None = None, until: datetime | None = None
) -> list[Decision]:
    """Return the last decision about a CE for each VO, up to a moment."""
    last: dict[str, tuple[_Row, int]] = {}
    query = _last(tx.dialect, until=until is not None)
    if vo is not None:
        query = query.where(vos.c.name == vo)
    parameters = {"ce": ce, "until": until} if until is not None else {"ce": ce}
    for row in tx.execute(query, parameters).mappings():
        values = dict(row)
        place = values.pop("place")
        last[row["vo"]] = _Row(**values), place
    return [row.decision(ce, place, until) for row, place in last.values()]


def last_cycles(
    tx: Transaction, vo: str | None = None, *, until: datetime | None = None
) -> list[Cycle]:
    """Return the last cycle of each VO, or of one, up to a moment. Statements do not grow."""
    last = _newest(until=until is not None)
    query = select(vos.c.name, ce_lists.c.id.label("list"), last.label("id"))
    query = query.join_from(vos, ce_lists, literal(value=True)).where(last.is_not(None))
    if vo is not None:
        query = query.where(vos.c.id == key_of(tx, vos, vo))
    lists = {row.id: row.list for row in tx.execute(query, {"until": until} if until else {})}
    newest: dict[str, _Row] = {}
    for row in _rows(tx, lists):
        newest[row.vo] = max(newest.get(row.vo, row), row, key=lambda one: (one.at, one.id))
    places = _places_of(tx, {lists[row.id] for row in newest.values()})
    return [_cycle(row, places.get(lists[row.id], {}), until) for _, row in sorted(newest.items())]


def _cycle(row: _Row, places: Mapping[str, int], until: datetime | None) -> Cycle:
    granted = row.columns.columns[GRANTED]
    return Cycle(
        vo=row.vo,
        at=max(one for one in row.moments if until is None or one <= until),
        granted={ce: granted.value(place) for ce, place in places.items()},
        row=row,
        places=places,
        until=until,
    )


def _places_of(tx: Transaction, lists: Collection[int]) -> dict[int, dict[str, int]]:
    """Return the place of each CE in each list, by its name."""
    query = (
        select(ce_list_places.c.list_id, ces.c.name, ce_list_places.c.place)
        .join_from(ce_list_places, ces, ces.c.id == ce_list_places.c.ce_id)
        .where(is_among(tx.dialect, ce_list_places.c.list_id, "ids"))
        .order_by(ces.c.name)
    )
    places: dict[int, dict[str, int]] = {}
    for row in tx.execute(query, {"ids": keys_of(tx.dialect, lists)}):
        places.setdefault(row.list_id, {})[row.name] = row.place
    return places


def between(tx: Transaction, begin: datetime, end: datetime) -> list[Decision]:
    """Return all decisions of a time, tick by tick."""
    # No row is longer than SPAN, so the index of its end bounds what is read.
    is_near = (decisions.c.until >= begin) & (decisions.c.until < end + SPAN)
    places = tx.execute(_PLACES.where(is_near, decisions.c.at < end)).all()
    by_id = {row.id: row for row in _rows(tx, {place.id for place in places})}
    listing = [one for place in places for one in by_id[place.id].each(place.ce, place.place)]
    within_time = [one for one in listing if begin <= one.at < end]
    return sorted(within_time, key=lambda one: (one.at, one.vo, one.ce))


def ticks(
    tx: Transaction, vo: str, begin: datetime, end: datetime, *, ce: str | None = None
) -> list[Decision]:
    """Return what was decided for a VO from a moment to another, tick by tick."""
    query = _PLACES.where(decisions.c.vo_id == key_of(tx, vos, vo))
    query = query.where(decisions.c.until >= begin, decisions.c.until < end + SPAN)
    if ce is not None:
        query = query.where(ces.c.id == key_of(tx, ces, ce))
    places = tx.execute(query.where(decisions.c.at <= end)).all()
    by_id = {row.id: row for row in _rows(tx, {place.id for place in places})}
    listing = [one for place in places for one in by_id[place.id].each(place.ce, place.place)]
    return sorted(
        (one for one in listing if begin <= one.at <= end), key=lambda one: (one.at, one.ce)
    )


def _aware(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError(f"{at} has no time zone")
    return at


def _keys(tx: Transaction, made: Iterable[Decision]) -> dict[tuple[str, str], int]:
    named = {("vo", one.vo) for one in made} | {("ce", one.ce) for one in made}
    listing = tx.execute(_names(tx.dialect), encode(("kind", "name"), named))
    return {(row.kind, row.name): row.id for row in listing}


def _add(
    tx: Transaction, vo: int, at: datetime, ce_ids: Sequence[int], cells: Sequence[Cell]
) -> None:
    """Store one cycle: as one more tick of the row before, or as a row."""
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
            "cells": columns.write(_whole(whole)),
        },
    )


def _needs_base(tx: Transaction, base_at: datetime | None, at: datetime) -> bool:
    """Return whether a cycle is to write a base. Where another just does, an old one will do."""
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


def _rows(tx: Transaction, ids: Iterable[int]) -> list[_Row]:
    if not ids:
        return []
    query = _ROWS.where(is_among(tx.dialect, decisions.c.id, "ids"))
    return [_Row(**row) for row in tx.execute(query, {"ids": keys_of(tx.dialect, ids)}).mappings()]


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


_PLACES = (
    select(decisions.c.id, ces.c.name.label("ce"), ce_list_places.c.place)
    .join_from(decisions, ce_list_places, ce_list_places.c.list_id == decisions.c.list_id)
    .join(ces, ces.c.id == ce_list_places.c.ce_id)
)
_COLUMNS = (
    decisions.c.id,
    vos.c.name.label("vo"),
    decisions.c.at,
    decisions.c.gaps,
    decisions.c.cells,
    decision_bases.c.cells.label("base"),
)
_ROWS = (
    select(*_COLUMNS)
    .join_from(decisions, vos, decisions.c.vo_id == vos.c.id)
    .join(decision_bases, decision_bases.c.id == decisions.c.base_id)
)


def _newest(*, until: bool) -> ScalarSelect[int]:
    """Select the last row of a VO in a list: one descent of an index."""
    last = select(decisions.c.id).where(
        decisions.c.vo_id == vos.c.id, decisions.c.list_id == ce_lists.c.id
    )
    if until:
        last = last.where(decisions.c.at <= bindparam("until", type_=UtcDateTime()))
    newest = last.order_by(decisions.c.at.desc(), decisions.c.id.desc()).limit(1)
    return newest.correlate(ce_lists, vos).scalar_subquery()


@cache
def _last(dialect: str, *, until: bool) -> Select[Any]:
    """Select the last row of each VO that a CE is in, the last VO last, and its place there.

    For each list that the CE is in and for each VO, the last row is one descent of an index.
    """
    last = select(decisions.c.id).where(
        decisions.c.vo_id == vos.c.id, decisions.c.list_id == ce_list_places.c.list_id
    )
    if until:
        last = last.where(decisions.c.at <= bindparam("until", type_=UtcDateTime()))
    newest = last.order_by(decisions.c.at.desc(), decisions.c.id.desc()).limit(1)
    each = (
        select(newest.correlate(ce_list_places, vos).scalar_subquery())
        .select_from(vos)
        .join(ce_list_places, literal(value=True))
        .join(ces, ces.c.id == ce_list_places.c.ce_id)
        .where(ces.c.name == bindparam("ce"))
    )
    # A planner that is handed an array looks each key up, whatever it thinks of the subquery.
    is_last = (
        decisions.c.id == any_(func.array(each.scalar_subquery()))
        if dialect == POSTGRESQL
        else decisions.c.id.in_(each)
    )
    return (
        select(*_COLUMNS, ce_list_places.c.place)
        .join_from(decisions, vos, vos.c.id == decisions.c.vo_id)
        .join(decision_bases, decision_bases.c.id == decisions.c.base_id)
        .join(ce_list_places, ce_list_places.c.list_id == decisions.c.list_id)
        .join(ces, ces.c.id == ce_list_places.c.ce_id)
        .where(is_last, ces.c.name == bindparam("ce"))
        .order_by(vos.c.name, decisions.c.at, decisions.c.id, ce_list_places.c.place)
    )


def _before() -> Select[Any]:
    """Select the list of a cycle, the last row of its VO, and a base that is fresh."""
    vo, end = bindparam("vo", type_=Integer), bindparam("end", type_=UtcDateTime())
    last = (
        select(decisions.c.id)
        .where(decisions.c.list_id == ce_lists.c.id, decisions.c.vo_id == vo)
        .order_by(decisions.c.at.desc(), decisions.c.id.desc())
        .limit(1)
        .correlate(ce_lists)
    )
    base = (
        select(decision_bases.c.id)
        .where(
            decision_bases.c.list_id == ce_lists.c.id,
            # Who began first need not be first here.
            decision_bases.c.at <= end,
        )
        .order_by(decision_bases.c.at.desc(), decision_bases.c.id.desc())
        .limit(1)
        .correlate(ce_lists)
    )
    newest = ce_lists.alias()
    present = (
        select(func.count())
        .where(ce_list_places.c.list_id == ce_lists.c.id)
        .correlate(ce_lists)
        .scalar_subquery()
    )
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
        .outerjoin(decisions, decisions.c.id == last.scalar_subquery())
        .outerjoin(decision_bases, decision_bases.c.id == base.scalar_subquery())
        # Only the newest list goes on: so the last row of a VO is in it, if any row of it is. The
        # key of a CE that was removed may be given to another; then it has lost its place here.
        .where(
            ce_lists.c.id == select(func.max(newest.c.id)).scalar_subquery(),
            ce_lists.c.digest == bindparam("digest", type_=LargeBinary),
            ce_lists.c.places == present,
        )
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
