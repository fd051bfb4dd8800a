"""Common parts of the tables: names of constraints, keys, moments and time-outs."""

from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    MetaData,
    func,
)

from worker.db.types import KEY, Length, UtcDateTime
from worker.domain.pilot import Status
from worker.domain.timeouts import NAMES as TIMEOUTS

NAMING = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}
"""Every constraint has a name, so that a migration can drop it and an error can name it."""

metadata = MetaData(naming_convention=NAMING)


def id_key() -> Column[int]:
    return Column("id", KEY, primary_key=True)


def created_at() -> Column[object]:
    return Column(
        "created_at",
        UtcDateTime(),
        nullable=False,
        server_default=func.current_timestamp(),
    )


def updated_at() -> Column[object]:
    return Column(
        "updated_at",
        UtcDateTime(),
        nullable=False,
        server_default=func.current_timestamp(),
    )


def timeouts() -> tuple[Column[Any] | CheckConstraint, ...]:
    """Make the columns of the time-outs of a CE or VO. NULL is off."""
    return (
        *(Column(name, Length()) for name in TIMEOUTS),
        *(CheckConstraint(f"{name} > 0", name=name) for name in TIMEOUTS),
    )


def quoted(members: frozenset[Status]) -> str:
    return ", ".join(f"'{status}'" for status in Status if status in members)
