"""The databases of one test worker: made by the real migrations, shared with nobody."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from itertools import count
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.pool import NullPool

from worker.backends import registry
from worker.backends.contract import Backend
from worker.db import chains, server
from worker.db.chains import Chain
from worker.db.database import Database
from worker.db.engine import make_engine, parse_url
from worker.db.uow import UnitOfWork
from worker.domain.vo import DEFAULT_VO
from worker.services.operate import database as care

BOTH = ("postgresql", "sqlite")
TEMPLATE, CORE_TEMPLATE = "template", "core_template"


@cache
def installed() -> Mapping[str, Backend]:
    """Return the installed back-ends; looking for them costs more than most tests."""
    return registry.discover()


def backend_chains() -> list[Chain]:
    """Return the chains of every installed back-end."""
    return [backend.chain for backend in installed().values()]


class Postgresql:
    """The databases of one worker on the session's server. Every name ends in `_test…`."""

    def __init__(self, url: str, worker: str) -> None:
        self._url = parse_url(url)
        self._base = str(self._url.database).removesuffix("_test")
        self._suffix = "_test" + (f"_{worker}" if worker else "")
        self._numbers = count(1)
        self._templates: set[str] = set()

    def url(self, purpose: str = "") -> URL:
        """Address the worker's main database, or another of its own."""
        name = f"{self._base}_{purpose}" if purpose else self._base
        return self._url.set(database=name + self._suffix)

    @contextmanager
    def main(self) -> Iterator[Database]:
        """Make and migrate the worker's main database, and leave the server as it was."""
        with _closing(Database(self.url(), backend_chains())) as database:
            action = migrated(database)
            emptied(database)
            yield database
            database.engine.dispose()
            if action.deed == "created" or self._suffix != "_test":
                server.drop(database.url, force=True)

    @contextmanager
    def blank(self) -> Iterator[Database]:
        """Make a database without any tables, and remove it."""
        with self._temporary(f"blank{next(self._numbers)}") as database:
            server.create(database.url)
            yield database

    @contextmanager
    def fresh(self) -> Iterator[Database]:
        """Copy a database that was migrated once, and remove the copy."""
        with self._copy_of(self._template(TEMPLATE, backend_chains()), "fresh") as database:
            yield database

    @contextmanager
    def core(self) -> Iterator[Database]:
        """Copy a database that has only the tables of the core, and remove the copy."""
        with self._copy_of(self._template(CORE_TEMPLATE, []), "core") as database:
            yield database

    @contextmanager
    def _copy_of(self, template: URL, purpose: str) -> Iterator[Database]:
        with self._temporary(f"{purpose}{next(self._numbers)}") as database:
            copy = f'CREATE DATABASE "{database.url.database}" TEMPLATE "{template.database}"'
            with self._maintenance().connect() as connection:
                connection.execute(text(copy))
            yield database

    def close(self) -> None:
        """Remove the templates."""
        for name in self._templates:
            server.drop(self.url(name), force=True)

    def _template(self, name: str, beside_core: Sequence[Chain]) -> URL:
        url = self.url(name)
        if name not in self._templates:
            server.drop(url, force=True)
            with _closing(Database(url, beside_core)) as database:
                migrated(database)
            self._templates.add(name)
        return url

    def _maintenance(self) -> Engine:
        url = self._url.set(database=server.MAINTENANCE)
        return create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)

    @contextmanager
    def _temporary(self, purpose: str) -> Iterator[Database]:
        with _closing(Database(self.url(purpose), backend_chains())) as database:
            server.drop(database.url, force=True)
            try:
                yield database
            finally:
                database.engine.dispose()
                server.drop(database.url, force=True)


class Sqlite:
    """SQLite databases, copied from one that was migrated once.

    The next test uses the engines again, because compiling the statements takes longer than most
    tests.
    """

    def __init__(self, folder: Path) -> None:
        self._template, self._core = folder / "template.sqlite", folder / "core.sqlite"
        with _closing(Database(file_url(self._template), backend_chains())) as database:
            migrated(database)
        # One file holds everything: there is no journal beside it.
        self._memory = sqlite3.connect(":memory:", check_same_thread=False)
        _copy(self._template, self._memory)
        self._idle: list[Engine] = []
        self._folder = folder
        self._main = Database(file_url(folder / "main.sqlite"), backend_chains())

    def close(self) -> None:
        """Forget the template, and close what was opened."""
        for engine in self._idle:
            engine.dispose()
        self._main.close()
        self._memory.close()

    @contextmanager
    def in_memory(self) -> Iterator[UnitOfWork]:
        """Copy the template into a database in memory."""
        engine = self._idle.pop() if self._idle else make_engine(parse_url("sqlite://"))
        self.pour(engine)
        try:
            yield UnitOfWork(engine)
        finally:
            self._idle.append(engine)

    def pour(self, engine: Engine) -> None:
        """Copy the template over what a database in memory holds."""
        raw = engine.raw_connection()
        driver = raw.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        self._memory.backup(driver)
        raw.close()

    @contextmanager
    def main(self) -> Iterator[Database]:
        """Copy the template over the worker's main file."""
        self._put(self._template)
        try:
            yield self._main
        finally:
            self._main.close()

    def fill(self, name: str, make: Callable[[], object]) -> None:
        """Fill the worker's main file as `make` does, which is called once for each name.

        The content must not differ between tests: it may not name a temporary folder, for example.
        """
        pattern = self._folder / f"{name}.pattern"
        self._main.close()  # so that nothing is left beside the file
        if pattern.exists():
            self._put(pattern)
            return
        make()
        self._main.close()
        shutil.copy(str(self._main.url.database), pattern)

    def _put(self, content: Path) -> None:
        path = Path(str(self._main.url.database))
        for file in path.parent.glob(f"{path.name}*"):
            file.unlink()
        shutil.copy(content, path)

    @contextmanager
    def file(self, path: Path) -> Iterator[Database]:
        """Copy the template to a file."""
        shutil.copy(self._template, path)
        with _closing(Database(file_url(path), backend_chains())) as database:
            yield database

    @contextmanager
    def core(self, path: Path) -> Iterator[Database]:
        """Copy a database that has only the tables of the core to a file."""
        if not self._core.exists():
            with _closing(Database(file_url(self._core))) as database:
                migrated(database)
        shutil.copy(self._core, path)
        with _closing(Database(file_url(path), backend_chains())) as database:
            yield database

    @contextmanager
    def blank(self, path: Path) -> Iterator[Database]:
        """Make a database without any tables."""
        with _closing(Database(file_url(path), backend_chains())) as database:
            server.create(database.url)
            yield database


def migrated(database: Database) -> care.DatabaseAction:
    """Make a database and its tables, without a note of it."""
    action = care.create(database)
    for chain in database.chains:
        chains.migrate(database.engine, chain)
    return action


def emptied(database: Database) -> None:
    """Delete every row of a PostgreSQL database in one round trip; only the default VO is left."""
    try:
        with database.engine.begin() as connection:
            connection.exec_driver_sql(_deletions(tuple(database.chains)))
    except ProgrammingError:  # a test took a table away
        with database.uow() as tx:
            server.empty(tx, database.chains)
            tx.execute(TRUNCATE_CHANGES)


TRUNCATE_CHANGES = text(
    "DO $$BEGIN IF EXISTS (SELECT FROM changes) THEN TRUNCATE changes; END IF; END$$"
)
"""Changes cannot be deleted, but the owner of the table can empty it."""


@cache
def _deletions(all_chains: Sequence[Chain]) -> str:
    tables = [
        table.name
        for chain in reversed(all_chains)
        for table in reversed(chain.metadata.sorted_tables)
    ]
    statements = [f'DELETE FROM "{name}"' for name in tables if name != "changes"]
    vo = f"INSERT INTO vos (name) VALUES ('{DEFAULT_VO}')"
    return ";".join([str(TRUNCATE_CHANGES), *statements, vo])


class RolledBack(UnitOfWork):
    """A unit of work whose commits are savepoints of a transaction that is rolled back."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection.engine)
        self._connection = connection

    def _begin(self) -> AbstractContextManager[Connection]:
        return self._savepoint()

    @contextmanager
    def _savepoint(self) -> Iterator[Connection]:
        with self._connection.begin_nested():
            yield self._connection


@contextmanager
def rolled_back(engine: Engine) -> Iterator[RolledBack]:
    """Open the outer transaction, and roll it back."""
    with engine.connect() as connection, connection.begin() as outer:
        yield RolledBack(connection)
        outer.rollback()


def file_url(path: Path) -> URL:
    """Address an SQLite file."""
    return parse_url(f"sqlite:///{path}")


@contextmanager
def _closing(database: Database) -> Iterator[Database]:
    try:
        yield database
    finally:
        database.engine.dispose()


def _copy(source: Path, target: sqlite3.Connection) -> None:
    with sqlite3.connect(source) as connection:
        connection.backup(target)
    connection.close()


def somebody_waits(database: Database) -> bool:
    """Return whether a session waits for a lock that another session holds."""
    with database.engine.connect() as connection:
        query = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(connection.execute(query).scalar_one())
