"""The demand as a query of somebody's database answers it."""

from pathlib import Path

from pydantic import Field
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from worker.db.engine import parse_url
from worker.demand.contract import Source, SourceOptions
from worker.domain.errors import ConfigurationError, DemandUnknown


class SqlOptions(SourceOptions):
    """A database that can be asked with SQL, PostgreSQL or SQLite."""

    url_file: Path
    """A file that holds the database URL, for it may hold a password."""

    query: str = Field(min_length=1)
    """A query that answers one number. ':vo' in it is the VO's name."""


def ask(vo: str, options: SqlOptions) -> int:
    """Run the query, in a transaction that is rolled back."""
    try:
        url = parse_url(options.url_file.read_text(encoding="utf-8").strip())
    except OSError as error:
        raise DemandUnknown(str(error.filename), error.strerror or "it cannot be read") from error
    except ConfigurationError as error:
        raise DemandUnknown(str(options.url_file), *error.details) from error
    engine = create_engine(url, poolclass=NullPool, connect_args=_limits(url, options.timeout))
    query = text(options.query)
    given = {"vo": vo} if "vo" in query.compile().params else {}
    try:
        with engine.connect() as connection:
            rows = connection.execute(query, given).fetchmany(2)
    except SQLAlchemyError as error:
        raise DemandUnknown(str(options.url_file), type(error).__name__) from error
    finally:
        engine.dispose()
    if len(rows) != 1 or len(rows[0]) != 1:
        raise DemandUnknown("the query answers no single number")
    return _whole(rows[0][0])


def _limits(url: object, timeout: float) -> dict[str, object]:
    if str(url).startswith("sqlite"):
        return {"timeout": timeout}
    return {
        "connect_timeout": max(1, int(timeout)),
        "options": f"-c statement_timeout={int(timeout * 1000)}"
        " -c default_transaction_read_only=on",
    }


def _whole(value: object) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise DemandUnknown(f"the query answers {str(value)[:40]!r}, no whole number") from None


SQL = Source(name="sql", about="A query of a database.", options=SqlOptions, ask=ask)
