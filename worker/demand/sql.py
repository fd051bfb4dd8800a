"""The demand as the result of a query of another database."""

import sqlite3
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import Field
from sqlalchemy import URL, Engine, Row, TextClause, create_engine, event, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from worker.db.engine import SQLITE, parse_url
from worker.demand.contract import Source, SourceOptions
from worker.demand.deadline import Connection, with_deadline
from worker.demand.files import read_line
from worker.domain.errors import ConfigurationError, DemandUnknown

MOST = 1_000_000
"""The largest value in SQLite, in bytes."""
STEPS = 10_000
"""Steps of SQLite's virtual machine between two checks of the time: some tenths of a
millisecond."""


class SqlOptions(SourceOptions):
    """A database that is queried with SQL: PostgreSQL or SQLite."""

    url_file: Path
    """A file that holds the database URL, because the URL may hold a password."""

    query: str = Field(min_length=1)
    """A query that returns one number. ':vo' in it is the VO's name."""


def ask(vo: str, options: SqlOptions) -> int:
    """Run the query, and return its number. Changes by the query are undone, or refused."""
    place = str(options.url_file)
    try:
        url = parse_url(read_line(options.url_file))
    except ConfigurationError as error:
        raise DemandUnknown(place, *error.details) from error
    query = text(options.query)
    parameters = {"vo": vo} if "vo" in query.compile().params else {}
    try:
        if url.get_backend_name() == SQLITE:
            rows = _rows(_sqlite(url, options.timeout), query, parameters)
        else:
            rows = with_deadline(
                options.timeout,
                place,
                lambda connection: _rows(
                    _postgresql(url, options.timeout, connection), query, parameters
                ),
            )
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise DemandUnknown(place, type(error).__name__) from error
    if len(rows) != 1 or len(rows[0]) != 1:
        raise DemandUnknown("the query does not return a single number")
    return _whole(rows[0][0])


def _rows(engine: Engine, query: TextClause, parameters: Mapping[str, str]) -> Sequence[Row[Any]]:
    """Read at most two rows: a second one is enough to refuse the answer."""
    options = {"stream_results": True, "max_row_buffer": 2}
    try:
        with (
            engine.connect() as connection,
            connection.execute(query, parameters, execution_options=options) as result,
        ):
            return result.fetchmany(2)
    finally:
        engine.dispose()


def _sqlite(url: URL, timeout: float) -> Engine:
    """Make an engine that only reads the file, and whose statements end in time."""
    ends = time.monotonic() + timeout

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(_read_only(url), uri=True, timeout=timeout)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST)
        connection.set_progress_handler(lambda: time.monotonic() > ends, STEPS)
        return connection

    return create_engine(url, poolclass=NullPool, creator=connect)


def _read_only(url: URL) -> str:
    name = url.database or ":memory:"
    if not name.startswith("file:"):
        name = f"file:{quote(name)}"
    return f"{name}{'&' if '?' in name else '?'}mode={'memory' if ':memory:' in name else 'ro'}"


def _postgresql(url: URL, timeout: float, connection: Connection) -> Engine:
    engine = create_engine(
        url,
        poolclass=NullPool,
        connect_args={
            "connect_timeout": max(1, int(timeout)),
            "options": f"-c statement_timeout={int(timeout * 1000)}"
            " -c default_transaction_read_only=on",
        },
    )

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Any, record: object, words: Any, options: Any) -> Any:
        opened = dialect.connect(*words, **options)
        connection.opened(opened.fileno())
        return opened

    return engine


def _whole(value: object) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise DemandUnknown(f"the query answers {str(value)[:40]!r}, no whole number") from None


SQL = Source(name="sql", about="A query of a database.", options=SqlOptions, ask=ask)
