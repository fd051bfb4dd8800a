"""A database that can be saved, restored quickly, and compared by its content."""

import hashlib
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Table, event

from tests.patience import until
from worker.db.database import Database

Digests = tuple[tuple[str, str], ...]
"""A word for each table: the same word means the same rows."""

EMPTY = "empty"

CLOCK_COLUMNS = {"updated_at", "created_at", "last_seconds"}
"""Columns with the time of the machine, not that of the test."""


class Store(ABC):
    """A database that the harness saves and restores."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.tables = [table for chain in database.chains for table in chain.metadata.sorted_tables]
        self._open: list[Any] = []
        event.listen(
            database.engine, "connect", lambda connection, _: self._open.append(connection)
        )

    def hang_up(self) -> None:
        """Close every connection, as the death of a process does; this rolls back."""
        for connection in self._open:
            self._close(connection)
        self._open.clear()
        self.database.engine.dispose()

    def _close(self, connection: Any) -> None:
        with suppress(sqlite3.Error, psycopg.Error):  # it is closed already
            # PostgreSQL would notice only later that the other end is gone; SQLite keeps a
            # connection that is closed while a statement runs.
            connection.rollback()
            connection.close()

    @abstractmethod
    def save(self) -> Any:
        """Return what is committed."""

    @abstractmethod
    def restore(self, saved: Any) -> None:
        """Restore what was saved."""

    @abstractmethod
    def digests(self) -> Digests:
        """Return a digest of what is committed in each table."""

    @contextmanager
    def cursor(self) -> Iterator[Any]:
        """Bypass the engine: a commit of the harness itself is not judged."""
        raw = self.database.engine.raw_connection()
        try:
            yield raw.cursor()
            raw.driver_connection.commit()  # type: ignore[union-attr]
        finally:
            raw.close()


class SqliteStore(Store):
    """A file; its bytes are what is committed."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._path = Path(str(database.url.database))

        @event.listens_for(database.engine, "connect")
        def hurry(connection: Any, record: object) -> None:
            # Processes are killed, not the machine: nothing has to reach the disk.
            connection.execute("PRAGMA synchronous = OFF")

    def save(self) -> bytes:
        # When the last connection is closed, one file holds everything.
        self.hang_up()
        return self._path.read_bytes()

    def digests(self) -> Digests:
        digests = []
        with self.cursor() as cursor:
            for table in self.tables:
                cursor.execute(f"SELECT {_columns(table)} FROM {table.name} ORDER BY {_key(table)}")
                rows = repr(cursor.fetchall()).encode()
                digests.append((table.name, hashlib.sha256(rows).hexdigest()))
        return tuple(digests)

    def restore(self, saved: bytes) -> None:
        self.hang_up()
        for suffix in ("-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        with self._path.open("r+b") as file:  # making a new file takes longer
            file.write(saved)
            file.truncate()


class PostgresqlStore(Store):
    """A database whose rows and sequences are read and written as a whole."""

    def hang_up(self) -> None:
        super().hang_up()
        # The server needs a moment to notice that a process is gone and to release its locks.
        until(self._is_alone, "the server to end the other sessions")

    def _is_alone(self) -> bool:
        with self.cursor() as cursor:
            cursor.execute(_OTHERS)
            return bool(cursor.fetchone()[0] == 0)

    def digests(self) -> Digests:
        with self.cursor() as cursor:
            cursor.execute(" UNION ALL ".join(_digest(table) for table in self.tables))
            return tuple(cursor.fetchall())

    def save(self) -> Mapping[str, Any]:
        names = self._full_tables()
        with self.cursor() as cursor:
            rows = {name: _copy_out(cursor, name) for name in names}
            cursor.execute(_SEQUENCES)
            return {"rows": rows, "sequences": cursor.fetchall()}

    def restore(self, saved: Mapping[str, Any]) -> None:
        names = self._full_tables()
        with self.cursor() as cursor:
            for name in reversed(names):
                # No row of changes can be deleted, but the owner can empty the table.
                cursor.execute(f"{'TRUNCATE' if name == 'changes' else 'DELETE FROM'} {name}")
            for name, rows in saved["rows"].items():
                if name != "new_tallies":
                    _copy_in(cursor, name, rows)
            # Triggers have counted the pilots that were deleted and inserted.
            cursor.execute("DELETE FROM new_tallies")
            _copy_in(cursor, "new_tallies", saved["rows"].get("new_tallies", b""))
            for name, last in saved["sequences"]:
                cursor.execute("SELECT setval(%s, %s, %s)", (name, last or 1, last is not None))

    def _full_tables(self) -> list[str]:
        """Return the tables that are not empty; a table comes after those that it refers to."""
        return [name for name, digest in self.digests() if digest != EMPTY]


def _copy_out(cursor: Any, name: str) -> bytes:
    with cursor.copy(f"COPY {name} TO STDOUT") as copy:
        return b"".join(copy)


def _copy_in(cursor: Any, name: str, rows: bytes) -> None:
    with cursor.copy(f"COPY {name} FROM STDIN") as copy:
        copy.write(rows)


def _digest(table: Table) -> str:
    rows = f"string_agg(ROW({_columns(table)})::text, ' ' ORDER BY {_key(table)})"
    return f"SELECT '{table.name}', coalesce(md5({rows}), '{EMPTY}') FROM {table.name}"


def _columns(table: Table) -> str:
    # A change has the time of the database, not that of the test.
    skip = CLOCK_COLUMNS | {"at"} if table.name == "changes" else CLOCK_COLUMNS
    return ", ".join(f'"{column.name}"' for column in table.c if column.name not in skip)


def _key(table: Table) -> str:
    return ", ".join(f'"{column.name}"' for column in table.primary_key)


_OTHERS = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid()
   AND backend_type = 'client backend' AND xact_start IS NOT NULL
"""
_SEQUENCES = "SELECT quote_ident(sequencename), last_value FROM pg_sequences"
