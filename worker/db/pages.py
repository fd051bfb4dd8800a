"""Reading long lists page by page.

A page begins after the last row of the page before (a keyset). So every page costs the same,
however far into the list it is, and rows that are added or deleted meanwhile shift nothing.
"""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import BigInteger, Column, ColumnElement, Integer, Select, bindparam, func, tuple_

from worker.db.rows import moment
from worker.db.types import UtcDateTime
from worker.db.uow import Transaction
from worker.domain.checks import LARGEST
from worker.domain.errors import Invalid
from worker.domain.nearest import nearest
from worker.domain.pages import FIRST, MOST, Page, PageRequest

__all__ = [
    "FIRST",
    "MOST",
    "Asked",
    "Page",
    "PageRequest",
    "contains",
    "limited",
    "order_of",
    "read_page",
]

T = TypeVar("T")

LARGEST_KEY = 2**63 - 1

Asked = PageRequest
"""Another name of `PageRequest`, for programs outside of Pilotage."""


def read_page(
    tx: Transaction,
    query: Select[Any],
    key: ColumnElement[Any],
    sorts: Mapping[str, ColumnElement[Any]],
    request: PageRequest,
    make: Callable[[Mapping[str, Any]], T],
) -> Page[T]:
    """Read one page. `sorts` holds the columns by which a list can be sorted; none is nullable."""
    order = order_of(key, sorts, request)
    labelled = [column.label(f"keyset_{n}") for n, column in enumerate(order)]
    listing = tx.execute(limited(query.add_columns(*labelled), order, request)).all()
    shown, more = listing[: request.limit], len(listing) > request.limit
    names = query.selected_columns.keys()  # the keyset's columns come after these
    items = [make(dict(zip(names, row, strict=False))) for row in shown]
    cursor = _cursor(list(shown[-1][-len(order) :])) if more else None
    return Page(items, cursor)


def order_of(
    key: ColumnElement[Any], sorts: Mapping[str, ColumnElement[Any]], request: PageRequest
) -> list[ColumnElement[Any]]:
    """Return the columns by which a list is sorted. Refuse an unknown order."""
    sort = request.sort or next(iter(sorts))
    if sort not in sorts:
        raise Invalid(f"sort {sort!r}", nearest(sort, sorts))
    return [sorts[sort]] if sorts[sort] is key else [sorts[sort], key]


def limited(
    query: Select[Any], order: Sequence[ColumnElement[Any]], request: PageRequest
) -> Select[Any]:
    """Restrict a query to the rows of a page, in its order, and one more, which shows whether there
    is a next page.
    """
    if request.after is not None:
        position = _position(request.after, order)
        query = query.where(
            tuple_(*order) < position if request.descending else tuple_(*order) > position
        )
    directed = [column.desc() if request.descending else column.asc() for column in order]
    return query.order_by(*directed).limit(request.limit + 1)


def contains(column: Column[Any], search: str) -> Any:
    """Match part of a name; upper and lower case are the same."""
    return func.lower(column).contains(search.lower(), autoescape=True)


def _cursor(values: list[Any]) -> str:
    plain = [moment(v) if isinstance(v, datetime) else v for v in values]
    return base64.urlsafe_b64encode(json.dumps(plain).encode()).decode().rstrip("=")


def _position(cursor: str, order: Sequence[ColumnElement[Any]]) -> Any:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        values = json.loads(base64.urlsafe_b64decode(padded))
        typed = [_typed(value, column) for value, column in zip(values, order, strict=True)]
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise Invalid("after", "it is not the end of a page of this list") from error
    return tuple_(
        *(bindparam(None, value, type_=c.type) for value, c in zip(typed, order, strict=True))
    )


def _typed(value: Any, column: ColumnElement[Any]) -> Any:
    if isinstance(column.type, UtcDateTime):
        return datetime.fromisoformat(value + "+00:00")
    if isinstance(value, str):
        value.encode()
        if "\0" in value:
            raise ValueError(value)
    elif not isinstance(value, int | float) or not abs(value) <= LARGEST_KEY:
        raise TypeError(value)
    if isinstance(column.type, Integer) and abs(int(value)) > _largest(column.type):
        raise ValueError(value)
    return column.type.python_type(value)


def _largest(kind: Integer) -> int:
    return LARGEST_KEY if isinstance(kind, BigInteger) else LARGEST
