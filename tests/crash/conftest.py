"""A whole system for each test, on each database."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.crash.stores import PostgresqlStore, SqliteStore
from tests.crash.system import System
from tests.session import PLAN
from worker.db.database import Database
from worker.db.engine import TIMEOUTS, make_engine


@pytest.fixture
def patient(request: pytest.FixtureRequest) -> bool:
    """Tell whether every point is to be tried, however long it takes."""
    return request.config.stash[PLAN].long


@pytest.fixture
def sqlite_system(sqlite_database: Database, tmp_path: Path) -> Iterator[System]:
    # An engine of its own: what watches it would stay on one that the next test uses again.
    own = Database(sqlite_database.url, sqlite_database.chains[1:])
    with System(SqliteStore(own), tmp_path / "home").alive() as system:
        yield system
    own.close()


@pytest.fixture
def postgresql_system(postgresql_database: Database, tmp_path: Path) -> Iterator[Any]:
    own = Database(postgresql_database.url, postgresql_database.chains[1:])
    # Whoever waits for one that stands still waits in vain.
    own.engine = make_engine(own.url, timeouts={**TIMEOUTS, "lock_timeout": "20ms"})
    with System(PostgresqlStore(own), tmp_path / "home").alive() as system:
        yield system
    own.close()


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """What fails on purpose is not worth a line each time."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)
