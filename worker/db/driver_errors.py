"""Translation of the errors of database drivers into ours: one line, no statement, no password."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import URL
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from worker.db.engine import shown
from worker.domain.errors import (
    DatabaseBusy,
    DatabaseError,
    DatabaseFull,
    DatabaseRefused,
    DatabaseUnavailable,
    SchemaBehind,
)

SQLITE_NEEDS = 64 << 10
"""With fewer free bytes SQLite cannot even open a database, and reports an I/O error."""


@contextmanager
def translated(url: URL) -> Iterator[None]:
    """Raise our errors instead of the driver's. The error of a violated constraint is raised as it
    is: it is a mistake in our code.
    """
    try:
        yield
    except PoolTimeout as error:
        raise DatabaseBusy(shown(url), "all connections of this process are taken") from error
    except DBAPIError as error:
        kind = _kind_of(error.orig, url)
        if kind is None:
            raise
        raise kind(shown(url), first_line(error.orig)) from error


def is_of_data(error: BaseException) -> bool:
    """Return whether a statement failed only because of the values that it was given."""
    if isinstance(error, DBAPIError):
        return isinstance(error, DataError | IntegrityError)
    return isinstance(error, StatementError | ValueError | OverflowError)


def first_line(error: object) -> str:
    """Return the first line of a driver's message, which says what happened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _kind_of(error: BaseException | None, url: URL) -> type[DatabaseError] | None:
    """Return our kind of error for a driver's error; `None` if an operator cannot mend it."""
    if isinstance(error, sqlite3.Error):
        kind = _sqlite_kind_of(error)
        return DatabaseFull if kind is DatabaseUnavailable and _has_no_room(url) else kind
    from worker.db import psycopg_errors

    return psycopg_errors.kind_of(error)


def _has_no_room(url: URL) -> bool:
    """Return whether the disk under a database file is full."""
    with suppress(OSError):
        return shutil.disk_usage(Path(url.database or "").parent).free < SQLITE_NEEDS
    return False


def _sqlite_kind_of(error: sqlite3.Error) -> type[DatabaseError] | None:
    message = str(error)
    if message.startswith(("no such table", "no such column")):
        return SchemaBehind
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return DatabaseBusy
    if name.startswith(("SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH")):
        return DatabaseRefused
    if name == "SQLITE_FULL":
        return DatabaseFull
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_NOTADB", "SQLITE_IOERR", "SQLITE_CORRUPT")):
        return DatabaseUnavailable
    return None
