"""Making, removing, replacing and emptying whole databases."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, Table, create_engine, inspect, literal, select, text
from sqlalchemy import func as sql
from sqlalchemy.engine.interfaces import IsolationLevel
from sqlalchemy.pool import NullPool

from worker.db.chains import Chain
from worker.db.changes import note
from worker.db.driver_errors import translated
from worker.db.engine import POSTGRESQL, make_engine, of_the_primary
from worker.db.tables import changes, vos
from worker.db.uow import Transaction
from worker.domain.errors import DatabaseBusy, DatabaseError, DatabaseRefused
from worker.domain.vo import DEFAULT_VO

MAINTENANCE = "postgres"
"""The database to connect to in order to make or remove another."""

LONGEST_NAME = 63

REPLACED = "replaced_"
"""The beginning of the name of a database that was replaced, until it is removed."""

TRIES = 3
"""How often a database is renamed with force; each time the server waits five seconds."""

KEPT = frozenset({changes.name})
"""The tables that keep their rows when a database is emptied."""


def exists(url: URL) -> bool:
    """Return whether the database exists. A server that cannot be reached is an error."""
    if url.get_backend_name() != POSTGRESQL:
        return _file(url).is_file()
    with _maintenance(url) as connection:
        return _is_there(connection, url)


def is_missing(url: URL) -> bool:
    """Return whether the database is a file that does not exist and could be made.

    Any other problem is an error of the later connection.
    """
    if url.get_backend_name() == POSTGRESQL or url.database in (None, "", ":memory:"):
        return False
    path = Path(str(url.database))
    return not str(path).startswith("file:") and path.parent.is_dir() and not path.exists()


def create(url: URL) -> bool:
    """Make an empty database; return whether it had to be made."""
    if url.get_backend_name() != POSTGRESQL:
        if exists(url):
            return False
        with suppress(OSError):  # the connection below reports the problem
            _file(url).touch(mode=0o600, exist_ok=False)
        engine = make_engine(url)
        with translated(url), engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA user_version = 0")
        engine.dispose()
        return True
    with _maintenance(url) as connection:
        if _is_there(connection, url):
            return False
        connection.execute(text(f"CREATE DATABASE {_quoted(connection, url)} ENCODING 'UTF8'"))
    return True


def drop(url: URL, *, force: bool = False) -> bool:
    """Remove a database; return whether there was one. `force` ends the connections to it."""
    if url.get_backend_name() != POSTGRESQL:
        there = exists(url)
        for suffix in ("", "-wal", "-shm"):
            Path(f"{_file(url)}{suffix}").unlink(missing_ok=True)
        return there
    with _maintenance(url) as connection:
        if not _is_there(connection, url):
            return False
        how = " WITH (FORCE)" if force else ""
        connection.execute(text(f"DROP DATABASE {_quoted(connection, url)}{how}"))
    return True


def replace(url: URL, other: URL, *, force: bool = False) -> str | None:
    """Replace the database of a URL by another one of the same server; the old one is removed.

    Both get their new names in one transaction, and only then is the old one removed. So there is
    always a database of this name, wherever this is interrupted. Return the name of the old one if
    it could not be removed; the next call removes it.
    """
    old = url.set(database=f"{REPLACED}{url.database}"[:LONGEST_NAME])
    drop(old, force=force)
    for attempt in reversed(range(TRIES if force else 1)):
        try:
            _rename(url, other, old, force=force)
            break
        except DatabaseBusy:
            # Somebody was sent away, and connected again before the rename began.
            if not attempt:
                raise
    try:
        drop(old, force=force)
    except DatabaseError:
        return old.database
    return None


def _rename(url: URL, other: URL, old: URL, *, force: bool) -> None:
    """Give a database the name of another, and that one a third name: both or none."""
    is_there = exists(url)
    if is_there and force:
        _end_sessions(url)
    with _maintenance(url, "READ COMMITTED") as connection, connection.begin():
        live, new, aside = (_quoted(connection, one) for one in (url, other, old))
        if is_there:
            connection.execute(text(f"ALTER DATABASE {live} RENAME TO {aside}"))
        connection.execute(text(f"ALTER DATABASE {new} RENAME TO {live}"))


def _end_sessions(url: URL) -> None:
    """End all other sessions on a database. The server's own have no user; it ends them itself."""
    others = "datname = current_database() AND pid <> pg_backend_pid() AND usesysid IS NOT NULL"
    ending = text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
    with translated(url), _connected(url, "AUTOCOMMIT") as connection:
        connection.execute(ending)


def count_rows(engine: Engine) -> None:
    """Have PostgreSQL make the statistics of its tables: a dump does not contain them."""
    with translated(engine.url), engine.begin() as connection:
        connection.execute(text("ANALYZE"))


def empty(tx: Transaction, chains: Sequence[Chain]) -> int:
    """Delete all rows except the changes; return how many. Tables with foreign keys come first."""
    deleted = 0
    present = set(inspect(tx.connection).get_table_names())
    for chain in reversed(chains):
        for table in reversed(chain.metadata.sorted_tables):
            if table.name in present - KEPT:
                deleted += tx.execute(table.delete()).rowcount
    if vos.name in present:
        tx.execute(vos.insert().values(name=DEFAULT_VO))
    if changes.name in present:
        note(tx, "database", "all", "clean", after={"rows": deleted})
    return deleted


def row_counts(connection: Connection, chain: Chain) -> dict[str, int | None]:
    """Count the rows of each table of a chain; `None` where the table is missing."""
    present = set(inspect(connection).get_table_names())
    return {
        name: int(
            connection.execute(
                select(sql.count()).select_from(chain.metadata.tables[name])
            ).scalar_one()
        )
        if name in present
        else None
        for name in chain.tables
    }


def has_rows(connection: Connection, table: Table) -> bool:
    """Return whether a table exists and is not empty."""
    if not inspect(connection).has_table(table.name):
        return False
    return connection.execute(select(literal(1)).select_from(table).limit(1)).first() is not None


def _file(url: URL) -> Path:
    if url.database in (None, "", ":memory:"):
        raise DatabaseRefused("an SQLite database in memory is made and forgotten by itself")
    return Path(str(url.database))


@contextmanager
def _maintenance(url: URL, isolation: IsolationLevel = "AUTOCOMMIT") -> Iterator[Connection]:
    with translated(url), _connected(url.set(database=MAINTENANCE), isolation) as connection:
        yield connection


@contextmanager
def _connected(url: URL, isolation: IsolationLevel) -> Iterator[Connection]:
    engine = create_engine(
        of_the_primary(url),
        isolation_level=isolation,
        poolclass=NullPool,
        connect_args={"connect_timeout": 10},
    )
    with engine.connect() as connection:
        yield connection


def _is_there(connection: Connection, url: URL) -> bool:
    query = text("SELECT 1 FROM pg_database WHERE datname = :name")
    return connection.execute(query, {"name": url.database}).first() is not None


def _quoted(connection: Connection, url: URL) -> str:
    return connection.dialect.identifier_preparer.quote_identifier(str(url.database))
