"""What psycopg raises, in our words. Imported when it raised something, so never on SQLite."""

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
)
REFUSED = (pg.InsufficientPrivilege, pg.ReadOnlySqlTransaction)
NO_TABLE = (pg.UndefinedTable, pg.UndefinedColumn, pg.InvalidSchemaName)
UNAVAILABLE = (psycopg.OperationalError, psycopg.InterfaceError)


def meaning(error: BaseException | None) -> type[DatabaseError] | None:
    """Find our word for an error; `None` where it is no business of an operator's."""
    for kinds, meant in (
        ((pg.DiskFull,), DatabaseFull),
        (BUSY, DatabaseBusy),
        (REFUSED, DatabaseRefused),
        (NO_TABLE, SchemaBehind),
        (UNAVAILABLE, DatabaseUnavailable),
    ):
        if isinstance(error, kinds):
            return meant
    # The client itself refuses an option of the URL; the server's own errors are of other kinds.
    return DatabaseRefused if type(error) is psycopg.ProgrammingError else None
