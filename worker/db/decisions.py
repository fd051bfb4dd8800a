"""Decisions: how many pilots a CE got for a VO, and why.

A cycle of a VO decides about all CEs at once, and is one row. Its numbers are stored as differences
to a base, which is another cycle just before, stored as a whole: within a minute the facts about
CEs are nearly the same for all VOs. A cycle that decided the same as the cycle before is not stored
as a row, but as one more tick of that row.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, cached_property
from itertools import accumulate
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    ScalarSelect,
    Select,
    any_,
    bindparam,
    func,
    literal,
    select,
    type_coerce,
)

from worker.db.compact import GRANTED, TEMPLATE, Columns
from worker.db.decision_writes import SPAN, add, read_base
from worker.db.engine import POSTGRESQL
from worker.db.names import key_of
from worker.db.pages import FIRST, Page, PageRequest, read_page
from worker.db.rows import is_among, keys_of
from worker.db.tables import ce_list_places, ce_lists, ces, decision_bases, decisions, vos
from worker.db.types import UtcDateTime
from worker.db.uow import Transaction
from worker.domain.decision import Decision

__all__ = ["SORTS", "Cycle", "add", "between", "find", "last_cycles", "last_of_each"]

_DIGITS = re.compile(r"[\d\0\1]+")


MOST_PLACES = 1_000_000


_KEY = type_coerce(decisions.c.id * MOST_PLACES + ce_list_places.c.place, BigInteger)
"""The key of one decision: its row and its place in the row, as one number."""


SORTS: Mapping[str, ColumnElement[Any]] = {"at": decisions.c.until}


@dataclass(frozen=True, kw_only=True)
class _Row:
    """A stored row: one or more cycles in a row that decided the same."""

    id: int
    vo: str
    at: datetime
    gaps: str
    cells: bytes
    base: bytes

    @cached_property
    def columns(self) -> Columns:
        return Columns.read(self.cells, read_base(self.base))

    @cached_property
    def moments(self) -> list[datetime]:
        """The moment of each cycle, the first one first."""
        since = accumulate(map(int, self.gaps.split()), initial=0)
        return [self.at + timedelta(microseconds=one) for one in since]

    def decision(self, ce: str, place: int, until: datetime | None) -> Decision:
        """Return the decision about a CE, as of the last cycle up to a moment."""
        moments = [one for one in self.moments if until is None or one <= until]
        return self._decision(ce, place, moments[-1], len(moments))

    def each(self, ce: str, place: int) -> list[Decision]:
        """Return the decision about a CE for each cycle."""
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
    """The last cycle of a VO: how many pilots each CE got. Reasons are read only when asked for."""

    vo: str
    at: datetime
    granted: Mapping[str, int]
    row: _Row
    places: Mapping[str, int]
    until: datetime | None

    def decision(self, ce: str) -> Decision:
        """Return the decision about a CE."""
        return self.row.decision(ce, self.places[ce], self.until)

    def template(self, ce: str) -> str:
        """Return the reason for a CE without numbers. It is cheap to read, and equal for CEs about
        which the cycle decided in the same way.
        """
        text = self.row.columns.columns[TEMPLATE].value(self.places[ce])[0]
        return _DIGITS.sub("", str(text))


def find(
    tx: Transaction,
    *,
    ce: str | None = None,
    vo: str | None = None,
    until: datetime | None = None,
    asked: PageRequest = FIRST,
) -> Page[Decision]:
    """List decisions: of one CE, of one VO, up to a moment. Equal ones in a row are one item."""
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
    """Return the last cycle of each VO, or of one, up to a moment.

    The number of statements does not depend on the number of VOs.
    """
    last = _newest(ce_lists, ce_lists.c.id, until=until is not None)
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


def between(
    tx: Transaction,
    begin: datetime,
    end: datetime,
    *,
    vo: str | None = None,
    ce: str | None = None,
) -> list[Decision]:
    """Return the decisions from `begin` to `end`, tick by tick; `end` itself is left out.

    They are of all VOs or of one, about all CEs or about one.
    """
    # No row covers more time than SPAN, so the index of its end bounds what is read.
    is_near = (decisions.c.until >= begin) & (decisions.c.until < end + SPAN)
    query = _PLACES.where(is_near, decisions.c.at < end)
    if vo is not None:
        query = query.where(decisions.c.vo_id == key_of(tx, vos, vo))
    if ce is not None:
        query = query.where(ces.c.id == key_of(tx, ces, ce))
    places = tx.execute(query).all()
    by_id = {row.id: row for row in _rows(tx, {place.id for place in places})}
    listing = [one for place in places for one in by_id[place.id].each(place.ce, place.place)]
    within_time = [one for one in listing if begin <= one.at < end]
    return sorted(within_time, key=lambda one: (one.at, one.vo, one.ce))


def _rows(tx: Transaction, ids: Iterable[int]) -> list[_Row]:
    if not ids:
        return []
    query = _ROWS.where(is_among(tx.dialect, decisions.c.id, "ids"))
    return [_Row(**row) for row in tx.execute(query, {"ids": keys_of(tx.dialect, ids)}).mappings()]


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


def _newest(lists: FromClause, list_id: ColumnElement[int], *, until: bool) -> ScalarSelect[int]:
    """Select the last row of a VO in a list, by one descent of an index."""
    last = select(decisions.c.id).where(
        decisions.c.vo_id == vos.c.id, decisions.c.list_id == list_id
    )
    if until:
        last = last.where(decisions.c.at <= bindparam("until", type_=UtcDateTime()))
    newest = last.order_by(decisions.c.at.desc(), decisions.c.id.desc()).limit(1)
    return newest.correlate(lists, vos).scalar_subquery()


@cache
def _last(dialect: str, *, until: bool) -> Select[Any]:
    """Select the last row of each VO with a decision about a CE, and the CE's place in the row.

    They are sorted by VO and time. For each list with the CE and each VO, the last row is found by
    one descent of an index.
    """
    each = (
        select(_newest(ce_list_places, ce_list_places.c.list_id, until=until))
        .select_from(vos)
        .join(ce_list_places, literal(value=True))
        .join(ces, ces.c.id == ce_list_places.c.ce_id)
        .where(ces.c.name == bindparam("ce"))
    )
    # With an array the planner always looks up each key, whatever it estimates for the subquery.
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
