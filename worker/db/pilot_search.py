"""How pilots are looked for and ordered, so that no list reads the whole history.

A batch system's id, the beginning of a stamp and a node have an index each. The orders that no
index has are for active pilots alone, which are few however long the history.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, select, union

from worker.db.pages import PageRequest
from worker.db.tables import has_status, pilots
from worker.domain.errors import Invalid
from worker.domain.pilot import FINAL, OCCUPYING, STAMP_LENGTH, Status

SHORTEST = 4
"""Characters of a stamp that are enough to look for it."""

SEPARATORS = "_."
"""What stands between the id of an array, or a cluster of jobs, and the number of an element."""

_BEGINNING = re.compile(rf"[0-9a-f]{{{SHORTEST},{STAMP_LENGTH}}}")


def is_beginning(word: str) -> bool:
    """Return whether a word may be the beginning of a stamp."""
    return _BEGINNING.fullmatch(word) is not None


def begins_with(column: Column[str], beginning: str) -> ColumnElement[bool]:
    """Match a beginning as a range of an index that compares byte by byte."""
    end = beginning[:-1] + chr(ord(beginning[-1]) + 1)
    return (column >= beginning) & (column < end)


def has_handle(handle: str) -> Select[Any]:
    """Select the ids of the pilots that have this handle, or belong to this array."""
    return _one_of("of_handle", _of_handle_or_array(handle))


def equals_handle(handle: str) -> Select[Any]:
    """Select the ids of the pilots that have exactly this handle."""
    return _one_of("with_handle", _of_handle(pilots.c.handle == handle))


def stamp_begins_with(beginning: str) -> Select[Any]:
    """Select the ids of the pilots whose stamp begins like this."""
    return _one_of("of_stamp", [_of_stamp(beginning)])


def matches(search: str) -> Select[Any]:
    """Select the ids of the pilots with this handle, array, or beginning of their stamp."""
    stamp = search.lower()
    queries = _of_handle_or_array(search)
    if is_beginning(stamp):
        queries.append(_of_stamp(stamp))
    return _one_of("matches", queries)


def _of_handle_or_array(handle: str) -> list[Select[Any]]:
    if handle.endswith(tuple(SEPARATORS)):
        stems = [handle]
    else:
        stems = [handle + separator for separator in SEPARATORS]
    conditions = [
        pilots.c.handle == handle,
        *(begins_with(pilots.c.handle, stem) for stem in stems),
    ]
    return [query for condition in conditions for query in _of_handle(condition)]


def _of_handle(condition: ColumnElement[bool]) -> list[Select[Any]]:
    """Ask for active pilots and for those that ended: their handles have an index each."""
    query = select(pilots.c.id).where(condition)
    ended_at = pilots.c.ended_at
    return [query.where(ended_at.is_(None)), query.where(ended_at.is_not(None))]


def _of_stamp(beginning: str) -> Select[Any]:
    return select(pilots.c.id).where(begins_with(pilots.c.stamp, beginning))


def _one_of(name: str, queries: list[Select[Any]]) -> Select[Any]:
    """Select what one of some queries selects. A statement may have several such lists, by name."""
    # These are few and are found first; else the list could be walked in its order to find them.
    ids = union(*queries).cte(name).prefix_with("MATERIALIZED")
    return select(ids.c.id)


@dataclass(frozen=True)
class Sort:
    """An order: its column, and the statuses of the pilots that can be put into it."""

    column: Column[Any]
    only: frozenset[Status] = frozenset(Status)
    is_length: bool = False
    """The column tells when it began, so the longest begins first."""


SORTS = {
    "id": Sort(pilots.c.id),
    "ended_at": Sort(pilots.c.ended_at, FINAL),
    "age": Sort(pilots.c.reserved_at, OCCUPYING, is_length=True),
    "wait": Sort(pilots.c.submitted_at, frozenset({Status.SUBMITTED}), is_length=True),
    "run_time": Sort(pilots.c.started_at, frozenset({Status.RUNNING}), is_length=True),
    "status": Sort(pilots.c.status, OCCUPYING),
    "reserved_at": Sort(pilots.c.reserved_at, OCCUPYING),
    "submitted_at": Sort(pilots.c.submitted_at, frozenset({Status.SUBMITTED, Status.RUNNING})),
    "started_at": Sort(pilots.c.started_at, frozenset({Status.RUNNING})),
}
COLUMNS = {name: sort.column for name, sort in SORTS.items()}
_ID_OF_ACTIVE = pilots.c.id + 0
"""The same number, but in no index: active pilots are read by their own index, and then sorted.

Their walk by id would pass all those that ended before them.
"""


def restriction(sort: str | None, statuses: Collection[Status]) -> frozenset[Status]:
    """Return the statuses that a sorted list is restricted to; empty if it needs no restriction.

    Statuses outside of them are refused.
    """
    chosen = SORTS.get(sort or "id")
    if chosen is None or chosen.only == frozenset(Status):
        return frozenset(statuses)
    too_many = [str(status) for status in Status if status in set(statuses) - chosen.only]
    if too_many:
        allowed = ", ".join(status for status in Status if status in chosen.only)
        raise Invalid(
            "sort",
            f"only pilots that are {allowed} can be sorted by {sort}, not {', '.join(too_many)}",
            "sort by id or, ended ones, by ended_at",
        )
    return frozenset(statuses) or chosen.only


def ordered(query: Select[Any], request: PageRequest, statuses: Collection[Status]) -> Select[Any]:
    """Restrict a list to these statuses and to what its order can be applied to."""
    allowed = restriction(request.sort, statuses)
    if allowed == FINAL:
        query = query.where(pilots.c.ended_at.is_not(None))
    elif allowed:
        query = query.where(has_status(allowed))
        if allowed <= OCCUPYING:
            query = query.where(pilots.c.ended_at.is_(None))
    column = COLUMNS.get(request.sort or "id")
    return query if column is None or not column.nullable else query.where(column.is_not(None))


def keys(
    request: PageRequest, statuses: Collection[Status]
) -> tuple[ColumnElement[Any], dict[str, ColumnElement[Any]]]:
    """Return what parts the pages of a list, and what it can be sorted by."""
    allowed = restriction(request.sort, statuses)
    key = _ID_OF_ACTIVE if allowed and allowed <= OCCUPYING else pilots.c.id
    return key, {**COLUMNS, "id": key}


def directed(request: PageRequest) -> PageRequest:
    """Turn the order of a length into that of the moment at which it began."""
    sort = SORTS.get(request.sort or "id")
    if sort is None or not sort.is_length:
        return request
    return replace(request, descending=not request.descending)
