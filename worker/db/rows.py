"""Any number of rows as one parameter of a statement.

This is the one place where bulk statements differ by database. A thousand rows are passed as one
JSON text. So a statement is compiled once, and one statement is enough for any number of rows. The
parameter is always called `rows`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Executable,
    Float,
    Integer,
    Select,
    Subquery,
    Table,
    Text,
    any_,
    bindparam,
    exists,
    func,
    literal,
    select,
    text,
    true,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import TypeEngine

from worker.db.engine import POSTGRESQL
from worker.db.types import KEY, UtcDateTime
from worker.db.uow import Transaction

_POSTGRESQL_NAMES: dict[type[TypeEngine[Any]], str] = {
    Integer: "bigint",
    Float: "float8",
    JSON: "jsonb",
    UtcDateTime: "timestamptz",
    Text: "text",
}


def rows(dialect: str, **columns: type[TypeEngine[Any]]) -> Subquery:
    """Describe the rows as a FROM clause with these columns, in the order of the tuples."""
    if dialect == POSTGRESQL:
        names = ", ".join(f'"{name}" {_POSTGRESQL_NAMES[kind]}' for name, kind in columns.items())
        # CAST and not `::`, whose colon SQLAlchemy would read as part of the parameter.
        source = f"SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS rows ({names})"
    else:
        names = ", ".join(f"json_extract(value, '$.{name}') AS \"{name}\"" for name in columns)
        source = f"SELECT {names} FROM json_each(:rows)"
    typed = {name: KEY if kind is Integer else kind() for name, kind in columns.items()}
    return text(source).bindparams(bindparam("rows", type_=Text)).columns(**typed).subquery("rows")


def encode(names: Sequence[str], data: Iterable[Sequence[Any]]) -> dict[str, str]:
    """Turn tuples into the parameter that `rows` reads. A value of `None` is NULL."""
    cells = [
        {name: value for name, value in zip(names, row, strict=True) if value is not None}
        for row in data
    ]
    written = _written(cells)
    if any(escape in written for escape in _ILLEGIBLE):
        legible = [{name: _legible(value) for name, value in row.items()} for row in cells]
        written = _written(legible)
    return {"rows": written}


_ILLEGIBLE = (r"\u0000", r"\ud")
"""The beginnings of JSON escapes that no text column takes: NUL, and half of a surrogate pair."""


def keys_of(dialect: str, keys: Iterable[int]) -> list[int] | str:
    """Turn keys into the parameter that `is_among` reads."""
    listed = list(keys)
    return listed if dialect == POSTGRESQL else json.dumps(listed)


def is_among(dialect: str, column: ColumnElement[int], name: str) -> ColumnElement[bool]:
    """Return the condition that a key is among those of a parameter.

    With an array the planner looks up each key; with rows it would expect a hundred of them. A text
    that is cast to an array would be parsed again for each row that is compared with it. The array
    is built by a subquery, so that it is built once, and the plan is the same for any number of
    keys.
    """
    if dialect == POSTGRESQL:
        keys = select(func.unnest(bindparam(name, type_=postgresql.ARRAY(KEY))))
        return column == any_(func.array(keys.scalar_subquery()))
    each = func.json_each(bindparam(name, type_=Text)).table_valued("value")
    return column.in_(select(each.c.value))


def _legible(value: Any) -> Any:
    """Replace characters that no text column takes: any text of a CE must be storable."""
    if not isinstance(value, str) or (value.isascii() and "\0" not in value):
        return value
    return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def insert_new(tx: Transaction, table: Table, **values: Any) -> int | None:
    """Insert a row unless its name is taken; return its key, or `None`."""
    key = next(iter(table.primary_key.columns))
    new = _insert(tx.dialect, table).values(values).on_conflict_do_nothing().returning(key)
    new_key: int | None = tx.execute(new).scalar_one_or_none()
    return new_key


def has_string(tx: Transaction, column: Column[Any], value: str) -> ColumnElement[bool]:
    """Return the condition that a column of the type `Strings` holds this string."""
    if tx.dialect == POSTGRESQL:
        return literal(value, Text) == any_(column)
    each = func.json_each(column).table_valued("value")
    return exists().where(each.c.value == value)


def put(
    tx: Transaction,
    table: Table,
    key: Mapping[str, Any],
    values: Mapping[str, Any],
    *,
    where: ColumnElement[bool] | None = None,
) -> bool:
    """Insert a row, or update the row with this primary key; return whether either was done.

    An existing row that does not match `where` keeps its values.
    """
    new = _insert(tx.dialect, table).values({**key, **values})
    storing = new.on_conflict_do_update(index_elements=list(key), set_=dict(values), where=where)
    return tx.execute(storing.returning(*(table.c[name] for name in key))).first() is not None


def insert_rows(
    dialect: str,
    table: Table,
    columns: Mapping[str, type[TypeEngine[Any]]],
    **common: type[TypeEngine[Any]],
) -> Any:
    """Return the insertion of `rows`; the caller adds what to do with rows that exist already.

    Values in `common` are the same for all rows, and are parameters of their own.
    """
    new = rows(dialect, **columns)
    same = [bindparam(name, type_=kind()) for name, kind in common.items()]
    # Without a WHERE, SQLite parses ON CONFLICT as a part of FROM.
    source = select(new, *same).where(true())
    return insert_selected(dialect, table, [*columns, *common], source)


def insert_selected(dialect: str, table: Table, columns: Sequence[str], source: Select[Any]) -> Any:
    """Return the insertion of a selection, which must have a WHERE (see `insert_rows`)."""
    return _insert(dialect, table).from_select(list(columns), source)


def adding(new: Any, table: Table, names: Iterable[str]) -> Executable:
    """Return an insertion that adds its numbers to those of rows that exist already."""
    sums = {name: table.c[name] + new.excluded[name] for name in names}
    statement: Executable = new.on_conflict_do_update(
        index_elements=list(table.primary_key.columns), set_=sums
    )
    return statement


def replacing(new: Any, table: Table, names: Iterable[str]) -> Executable:
    """Return an insertion that gives its values to rows that exist already."""
    statement: Executable = new.on_conflict_do_update(
        index_elements=list(table.primary_key.columns),
        set_={name: new.excluded[name] for name in names},
    )
    return statement


def _insert(dialect: str, table: Table) -> Any:
    return postgresql.insert(table) if dialect == POSTGRESQL else sqlite.insert(table)


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return moment(value)
    raise TypeError(f"{value!r} cannot be a cell of a bulk statement")


_written = json.JSONEncoder(default=_plain, check_circular=False).encode


def moment(value: datetime) -> str:
    """Write a moment in UTC without a zone: both databases read it, and SQLite can compare it."""
    if value.tzinfo is None:
        raise ValueError(f"{value} has no time zone")
    return _written_in_utc(value if value.tzinfo is UTC else value.astimezone(UTC))


@lru_cache(maxsize=1_000)
def _written_in_utc(value: datetime) -> str:
    # Cached, because many pilots have the same moment. The key is in UTC: in other zones, two equal
    # datetimes may be an hour apart.
    return value.isoformat(" ", "microseconds").removesuffix(_ZONE)


_ZONE = "+00:00"
