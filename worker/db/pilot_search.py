"""Searches and orders of pilots, such that no list reads the whole history.

The handle, the beginning of a stamp and the node have an index each. Orders without an index are
for active pilots only, which are few, however long the history is.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, Subquery, func, select, true, union

from worker.db.pages import PageRequest, limited
from worker.db.tables import RARE, became_rare, ces, has_status, pilots, transitions, waits_at_ce
from worker.db.uow import Transaction
from worker.domain.errors import Invalid
from worker.domain.pilot import FINAL, OCCUPYING, STAMP_LENGTH, Status

SHORTEST = 4
"""The shortest beginning of a stamp that can be searched for, in characters."""

SEPARATORS = "_."
"""The separators between the id of a job array, or cluster of jobs, and an element's number."""

_BEGINNING = re.compile(rf"[0-9a-f]{{{SHORTEST},{STAMP_LENGTH}}}")


def is_beginning(word: str) -> bool:
    """Return whether a word may be the beginning of a stamp."""
    return _BEGINNING.fullmatch(word) is not None


def begins_with(column: Column[str], beginning: str) -> ColumnElement[bool]:
    """Match a beginning as a range, for an index that compares byte by byte."""
    end = beginning[:-1] + chr(ord(beginning[-1]) + 1)
    return (column >= beginning) & (column < end)


def has_handle(handle: str) -> Select[Any]:
    """Select the ids of the pilots that have this handle, or belong to this job array."""
    return _one_of("of_handle", _of_handle_or_array(handle))


def equals_handle(handle: str) -> Select[Any]:
    """Select the ids of the pilots that have exactly this handle."""
    return _one_of("with_handle", _of_handle(pilots.c.handle == handle))


def stamp_begins_with(beginning: str) -> Select[Any]:
    """Select the ids of the pilots whose stamp begins like this."""
    return _one_of("of_stamp", [_of_stamp(beginning)])


def matches(search: str) -> Select[Any]:
    """Select the ids of the pilots with this handle, job array, or beginning of their stamp."""
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
    """Return one query for active pilots and one for ended ones: each have their own index."""
    query = select(pilots.c.id).where(condition)
    ended_at = pilots.c.ended_at
    return [query.where(ended_at.is_(None)), query.where(ended_at.is_not(None))]


def _of_stamp(beginning: str) -> Select[Any]:
    return select(pilots.c.id).where(begins_with(pilots.c.stamp, beginning))


def _one_of(name: str, queries: list[Select[Any]]) -> Select[Any]:
    """Select the union of some queries, under a name, since a statement may have several unions."""
    # These ids are few, so they are found first; else the planner could walk the whole list.
    ids = union(*queries).cte(name).prefix_with("MATERIALIZED")
    return select(ids.c.id)


@dataclass(frozen=True)
class Sort:
    """An order: its column, and the statuses of the pilots that can be sorted by it."""

    column: Column[Any]
    only: frozenset[Status] = frozenset(Status)
    is_length: bool = False
    """Whether the order is by a length of time that begins at the column: earliest is longest."""


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
"""The id in a form that no index has: so active pilots are read by their own index, and sorted.

A walk along the index of ids would pass all pilots that have ended.
"""


def restriction(sort: str | None, statuses: Collection[Status]) -> frozenset[Status]:
    """Return the statuses that a sorted list is restricted to; empty if it needs no restriction.

    Statuses that cannot be sorted in this order are refused.
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
    """Restrict a list to these statuses, and to the pilots that can be sorted in its order."""
    allowed = restriction(request.sort, statuses)
    if allowed == FINAL:
        query = query.where(pilots.c.ended_at.is_not(None))
    elif allowed:
        # The condition must be there once: if it is there twice, the planner underestimates how
        # many rows match.
        query = query.where(has_status(allowed))
    if (rare := _rare(request, allowed)) is not None:
        query = query.join(rare, rare.c.pilot_id == pilots.c.id)
    column = COLUMNS.get(request.sort or "id")
    return query if column is None or not column.nullable else query.where(column.is_not(None))


def keys(
    request: PageRequest, statuses: Collection[Status]
) -> tuple[ColumnElement[Any], dict[str, ColumnElement[Any]]]:
    """Return the key that separates the pages of a list, and the columns to sort it by."""
    allowed = restriction(request.sort, statuses)
    key: ColumnElement[Any] = pilots.c.id
    if (rare := _rare(request, allowed)) is not None:
        key = rare.c.pilot_id
    elif allowed and allowed <= OCCUPYING:
        key = _ID_OF_ACTIVE
    return key, {**COLUMNS, "id": key}


def _rare(request: PageRequest, allowed: frozenset[Status]) -> Subquery | None:
    """Return the pilots that ever had the status, if only one status is allowed and it is rare.

    A list sorted by id takes these pilots from the history, in that order.
    """
    if len(allowed) != 1 or not allowed <= RARE or request.sort not in {None, "id"}:
        return None
    return _OF_RARE[next(iter(allowed))]


_OF_RARE = {
    status: select(transitions.c.pilot_id).where(became_rare(status)).distinct().subquery("rare")
    for status in RARE
}

NEWEST = 2_000
"""How many of the newest pilots are searched for a page of active ones."""


def begins_with_newest(request: PageRequest, statuses: Collection[Status]) -> bool:
    """Return whether a list of active pilots may be read by id from the newest pilot on.

    This is so for its first page, because most active pilots are among the newest. For further
    pages the active pilots are sorted.
    """
    is_newest_first = request.descending and request.sort in {None, "id"} and not request.after
    return is_newest_first and len(statuses) > 0 and frozenset(statuses) <= OCCUPYING


def among_newest(tx: Transaction) -> ColumnElement[bool]:
    """Match the newest pilots."""
    # The number itself, not a subquery: so the planner knows how few pilots these are.
    newest = int(tx.execute(select(func.coalesce(func.max(pilots.c.id), 0))).scalar_one())
    return pilots.c.id > newest - NEWEST


def longest_waiting(query: Select[Any], request: PageRequest) -> Select[Any]:
    """Select the ids of a page of waiting pilots from those that a query selects.

    No index holds the waiting pilots of all CEs in this order. So such a page is read for each CE
    alone, and the page is chosen from all of these.
    """
    each = ces.alias("each_ce")
    request = directed(request)
    of_one = query.add_columns(pilots.c.submitted_at).where(
        pilots.c.ce_id == each.c.id, waits_at_ce()
    )
    order = [pilots.c.submitted_at, pilots.c.id]
    first = limited(of_one, order, request).correlate(each).lateral("first")
    of_all = select(first.c.id).select_from(each.join(first, true()))
    return limited(of_all, [first.c.submitted_at, first.c.id], replace(request, after=None))


def directed(request: PageRequest) -> PageRequest:
    """Turn the order of a length of time into the order of the moment at which it began."""
    sort = SORTS.get(request.sort or "id")
    if sort is None or not sort.is_length:
        return request
    return replace(request, descending=not request.descending)
