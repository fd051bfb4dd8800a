"""Our errors for those of psycopg. Imported only after psycopg raised one, so never on SQLite."""

import psycopg
from psycopg import errors as pg

from worker.domain.errors import (
    DatabaseBusy,
    DatabaseError,
    DatabaseFull,
    DatabaseRefused,
    DatabaseUnavailable,
    SchemaBehind,
)

BUSY = (
    pg.LockNotAvailable,
    pg.DeadlockDetected,
    pg.SerializationFailure,
    pg.QueryCanceled,
    pg.ObjectInUse,
)
REFUSED = (pg.InsufficientPrivilege, pg.ReadOnlySqlTransaction)
NO_TABLE = (pg.UndefinedTable, pg.UndefinedColumn, pg.InvalidSchemaName)
UNAVAILABLE = (psycopg.OperationalError, psycopg.InterfaceError)


def kind_of(error: BaseException | None) -> type[DatabaseError] | None:
    """Return our kind of error; `None` if an operator cannot mend it."""
    for theirs, ours in (
        ((pg.DiskFull,), DatabaseFull),
        (BUSY, DatabaseBusy),
        (REFUSED, DatabaseRefused),
        (NO_TABLE, SchemaBehind),
        (UNAVAILABLE, DatabaseUnavailable),
    ):
        if isinstance(error, theirs):
            return ours
    # Exactly this class is raised by the client for a bad option of the URL; errors of the server
    # are of its subclasses.
    return DatabaseRefused if type(error) is psycopg.ProgrammingError else None
