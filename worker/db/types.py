"""Column types that mean the same on PostgreSQL and SQLite."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    Enum,
    Integer,
    String,
    Text,
    TypeDecorator,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

KEY = BigInteger().with_variant(Integer(), "sqlite")
"""A key. SQLite numbers rows automatically only if the type of the column is INTEGER."""

JSON_VALUE = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
"""Any JSON value; Python's `None` is SQL's NULL."""


def plain_text(length: int | None = None) -> String:
    """Make a text type that is compared byte by byte, whatever the language of the database.

    So texts with the same beginning are next to each other in an index.
    """
    kind = Text if length is None else String
    return kind(length).with_variant(kind(length, collation="C"), "postgresql")


class UtcDateTime(TypeDecorator[datetime]):
    """A moment. A datetime without a time zone is a mistake and is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value.astimezone(UTC)

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        """Return UTC. Sessions of PostgreSQL use UTC; SQLite stores a text without the zone."""
        read = self.impl_instance.result_processor(dialect, coltype)
        if read is None or dialect.name == "postgresql":
            return read
        return lambda text: (moment := read(text)) and moment.replace(tzinfo=UTC)


class Length(TypeDecorator[timedelta]):
    """A length of time, in whole seconds."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: timedelta | None, dialect: Dialect) -> int | None:
        """Store seconds."""
        return None if value is None else int(value.total_seconds())

    def process_result_value(self, value: int | None, dialect: Dialect) -> timedelta | None:
        """Return the length."""
        return None if value is None else timedelta(seconds=value)


class Strings(TypeDecorator[tuple[str, ...]]):
    """A tuple of strings: an array on PostgreSQL, JSON on SQLite."""

    impl = JSON().with_variant(ARRAY(Text()), "postgresql")
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: Dialect) -> Any:
        return None if value is None else list(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> tuple[str, ...] | None:
        """Return a tuple, because a change of a list would not be noticed."""
        return None if value is None else tuple(value)


def words(enum: type[StrEnum], name: str, length: int = 16) -> Enum:
    """Store the words of an enumeration, checked by a constraint of this name."""
    return Enum(
        enum,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=length,
        values_callable=lambda members: [str(member) for member in members],
    )
