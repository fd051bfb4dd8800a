"""Database connections: the one place that knows how to open PostgreSQL and SQLite.

On SQLite a transaction begins IMMEDIATE. So there is a single writer, which gives the guarantees
that row locks give on PostgreSQL. On PostgreSQL time-outs bound every statement, lock and idle
transaction, and the time zone of the session is UTC.
"""

import os
import re
import socket
import sqlite3
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from math import inf
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry, StaticPool

from worker.domain.errors import ConfigurationError, DatabaseUnavailable

POSTGRESQL = "postgresql"
SQLITE = "sqlite"

TIMEOUTS = {
    "statement_timeout": "60s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "30s",
}
SQLITE_BUSY_SECONDS = 10.0
BETWEEN_TRIES = 0.02
_HOST = re.compile(r"(?:\[([0-9a-fA-F:.%]+)\]|([^:\[\]]+))(?::(\d*))?")
POOL_SIZE = 2
"""Connections of a process: opening one costs seven transactions, and more than two only queue."""

PING_AFTER_SECONDS = 0.5
"""A connection that was idle for longer is tested before it is used."""

STATEMENTS = "sqlalchemy.engine"
"""The logger of statements: at the level INFO it logs every statement."""


def parse_url(text: str) -> URL:
    """Read a database URL. An error never shows the text: it may hold a password."""
    try:
        url = make_url(_with_hosts_as_options(text))
        dialect = url.get_backend_name()
    except (ArgumentError, ValueError) as error:
        raise ConfigurationError(
            "the database URL is malformed",
            "write postgresql://USER:PASSWORD@HOST:PORT/NAME or sqlite:////PATH",
        ) from error
    if dialect == POSTGRESQL:
        if url.host and "@" in url.host:
            raise ConfigurationError(
                "the database URL is malformed", "write an @ in the password as %40"
            )
        if not url.database:
            raise ConfigurationError("the database URL names no database")
        return url.set(drivername="postgresql+psycopg")
    if dialect == SQLITE:
        return url.set(drivername="sqlite+pysqlite")
    raise ConfigurationError(f"the database URL asks for {dialect!r}", "use postgresql or sqlite")


def _with_hosts_as_options(text: str) -> str:
    """Turn HOST:PORT,HOST:PORT, which libpq reads, into the form that SQLAlchemy reads."""
    scheme, mark, rest = text.partition("://")
    place, slash, name = rest.partition("/")
    user, at, hosts = place.rpartition("@")
    if "," not in hosts:
        return text
    name, _, options = name.partition("?")
    pairs = [_HOST.fullmatch(host) for host in hosts.split(",")]
    if not all(pairs):
        raise ValueError("no list of hosts")
    named = {
        "host": ",".join(pair[1] or pair[2] for pair in pairs if pair),
        "port": ",".join(pair[3] or "" for pair in pairs if pair),
    }
    query = "&".join(filter(None, [urlencode(named), options]))
    return f"{scheme}{mark}{user}{at}{slash}{name}?{query}"


def of_the_primary(url: URL) -> URL:
    """Ask for the one of several hosts that accepts writes, unless the URL asks for another."""
    if len(_hosts(url)) < 2:
        return url
    return url.set(query={"target_session_attrs": "read-write", **url.query})


def _hosts(url: URL) -> list[str]:
    """Return the hosts in the options of a URL, each with its port if it has one."""
    hosts, ports = (",".join(_options(url, name)).split(",") for name in ("host", "port"))
    pairs = zip_longest(filter(None, hosts), ports[: len(hosts)], fillvalue="")
    return [
        ":".join(filter(None, [f"[{host}]" if host.count(":") > 1 else host, port]))
        for host, port in pairs
        if host
    ]


def _options(url: URL, name: str) -> Sequence[str]:
    value = url.query.get(name, ())
    return [value] if isinstance(value, str) else value


def shown(url: URL) -> str:
    """Write a URL without password and options, so that it may be shown."""
    hosts = _hosts(url)
    place = url.set(drivername=url.get_backend_name(), query={})
    if len(hosts) < 2 or place.host:
        return place.render_as_string(hide_password=True)
    # A comma is the placeholder for the hosts: before it, a comma of the URL would be quoted.
    text = place.set(host=",").render_as_string(hide_password=True)
    return text.replace(",", ",".join(hosts), 1)


def make_engine(
    url: URL,
    *,
    application: str = "pilotage",
    timeouts: Mapping[str, str] = TIMEOUTS,
    pool_size: int = POOL_SIZE,
) -> Engine:
    """Make an engine. It opens no connection yet."""
    if url.get_backend_name() == SQLITE:
        return _sqlite(url)
    return _postgresql(url, application, timeouts, pool_size)


def _postgresql(url: URL, application: str, timeouts: Mapping[str, str], pool_size: int) -> Engine:
    # PostgreSQL cuts an application_name at 63 bytes; the pid must not be cut off.
    name = f"{application[:24]}:{socket.gethostname()[:24]}:{os.getpid()}"
    # Our statements are short: just-in-time compilation takes longer than running them.
    settings = {"timezone": "UTC", "jit": "off", **timeouts}
    engine = create_engine(
        of_the_primary(url),
        pool_size=pool_size,
        max_overflow=8,
        connect_args={
            "application_name": name,
            "connect_timeout": 10,
            # A host that lost its network must not hold row locks, and must notice it soon.
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            "tcp_user_timeout": 30_000,
            "options": " ".join(f"-c {key}={value}" for key, value in settings.items()),
        },
    )
    _forget_on_fork(engine)
    _ping_after_a_pause(engine)
    return engine


def _ping_after_a_pause(engine: Engine) -> None:
    """Test a connection that was idle before it is used.

    A unit of work just after another one needs no additional round trip. A unit of work after a
    call of a CE does not fail because the server was restarted meanwhile.
    """

    @event.listens_for(engine, "checkin")
    def note(connection: object, record: ConnectionPoolEntry) -> None:
        record.info["used_at"] = monotonic()

    @event.listens_for(engine, "checkout")
    def ping(connection: Any, record: ConnectionPoolEntry, proxy: object) -> None:
        if monotonic() - record.info.get("used_at", inf) < PING_AFTER_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.OperationalError as error:
            raise InvalidatePoolError from error


def _forget_on_fork(engine: Engine) -> None:
    """Drop the connections in a forked process: two processes would read each other's answers."""
    os.register_at_fork(after_in_child=lambda: engine.dispose(close=False))


def _sqlite(url: URL) -> Engine:
    in_memory = url.database in (None, "", ":memory:")
    if not in_memory and not str(url.database).startswith("file:"):
        _check_folder(Path(str(url.database)))
    options: dict[str, Any] = {"poolclass": StaticPool} if in_memory else {"pool_pre_ping": False}
    engine = create_engine(
        url,
        connect_args={"check_same_thread": False, "timeout": SQLITE_BUSY_SECONDS},
        **options,
    )

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, record: object) -> None:
        # The driver itself begins a transaction late and deferred; `begin` below replaces that.
        connection.isolation_level = None
        if not in_memory:
            _use_wal(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch the file to write-ahead logging.

    If several processes open a new file, SQLite fails at once with BUSY, so this tries again.
    """
    give_up = monotonic() + SQLITE_BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or monotonic() >= give_up:
                raise
            sleep(BETWEEN_TRIES)
        else:
            return


def _check_folder(path: Path) -> None:
    if path.is_dir():
        raise DatabaseUnavailable(str(path), "it is a folder, not a file")
    if not path.parent.is_dir():
        raise DatabaseUnavailable(str(path), "its folder does not exist")
