"""A migration takes all tables of its chain before it changes the first (on PostgreSQL).

A migration changes one table after another, each for itself alone until the end. Somebody at work
may hold a later one and wait for an earlier one: then the two would wait for each other, and the
server would end either. So all tables are taken before the first is changed, within less time than
after which the server looks for those who wait for each other; if that cannot be, all are given
back, and it is tried again.
"""

import time
from collections.abc import Collection

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from worker.domain.errors import DatabaseBusy

WITHIN = 400
"""Milliseconds; the server looks after a second."""
PAUSE = 0.2
PATIENCE = 60.0


_PRESENT = """
WITH ours AS (SELECT oid FROM pg_class
               WHERE relkind = 'r' AND relname = ANY(:names) AND pg_table_is_visible(oid))
SELECT oid::regclass::text FROM ours UNION
SELECT conrelid::regclass::text FROM pg_constraint JOIN ours ON confrelid = ours.oid
 WHERE contype = 'f' ORDER BY 1
"""
"""Those that point at ours belong to them, too: so do tables that our models know no longer."""


def take(connection: Connection, tables: Collection[str]) -> None:
    """Take these tables, and those that point at them, for this transaction alone."""
    names = ", ".join(connection.scalars(text(_PRESENT), {"names": list(tables)}))
    if not names:
        return
    give_up = time.monotonic() + PATIENCE
    while not _takes(connection, names, may_fail=time.monotonic() < give_up):
        time.sleep(PAUSE)
    connection.execute(text("SET LOCAL statement_timeout = 0"))


def _takes(connection: Connection, names: str, *, may_fail: bool) -> bool:
    # The driver of PostgreSQL is imported where it is used, as everywhere.
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
