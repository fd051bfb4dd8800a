"""Locking of all tables of a chain before a migration changes the first (on PostgreSQL).

A migration changes one table after another, and keeps an exclusive lock on each until its end.
Another transaction may hold a later table and wait for an earlier one: that is a deadlock, and the
server would end one of the two. So all tables are locked before the first is changed. If that takes
nearly as long as the server waits before it looks for deadlocks, all locks are released, and it is
tried again.
"""

import time
from collections.abc import Collection

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from worker.domain.errors import DatabaseBusy

WITHIN = 400
"""Milliseconds for locking all tables; the server looks for deadlocks after a second."""
PAUSE = 0.2
PATIENCE = 60.0


_PRESENT = """
WITH ours AS (SELECT oid FROM pg_class
               WHERE relkind = 'r' AND relname = ANY(:names) AND pg_table_is_visible(oid))
SELECT oid::regclass::text FROM ours UNION
SELECT conrelid::regclass::text FROM pg_constraint JOIN ours ON confrelid = ours.oid
 WHERE contype = 'f' ORDER BY 1
"""
"""Tables that refer to ours are locked, too, even if they are no longer among our models."""


def take(connection: Connection, tables: Collection[str]) -> None:
    """Lock these tables, and those that refer to them, exclusively for this transaction."""
    names = ", ".join(connection.scalars(text(_PRESENT), {"names": list(tables)}))
    if not names:
        return
    give_up = time.monotonic() + PATIENCE
    while not _takes(connection, names, may_fail=time.monotonic() < give_up):
        time.sleep(PAUSE)
    connection.execute(text("SET LOCAL statement_timeout = 0"))


def _takes(connection: Connection, names: str, *, may_fail: bool) -> bool:
    # The driver of PostgreSQL is imported only where it is used.
    from worker.db import psycopg_errors

    try:
        with connection.begin_nested():
            connection.execute(text(f"SET LOCAL statement_timeout = {WITHIN}"))
            connection.execute(text(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE"))
    except OperationalError as error:
        if may_fail and psycopg_errors.kind_of(error.orig) is DatabaseBusy:
            return False
        raise
    return True
