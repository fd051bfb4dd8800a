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
    """Return whether to try every point, however long it takes."""
    return request.config.stash[PLAN].long


@pytest.fixture
def sqlite_system(sqlite_database: Database, tmp_path: Path) -> Iterator[System]:
    # An engine of its own: the listeners would stay on an engine that the next test uses.
    own = Database(sqlite_database.url, sqlite_database.chains[1:])
    with System(SqliteStore(own), tmp_path / "home").alive() as system:
        yield system
    own.close()


@pytest.fixture
def postgresql_system(postgresql_database: Database, tmp_path: Path) -> Iterator[Any]:
    own = Database(postgresql_database.url, postgresql_database.chains[1:])
    # A process that waits for one that stands still waits in vain.
    own.engine = make_engine(own.url, timeouts={**TIMEOUTS, "lock_timeout": "20ms"})
    with System(PostgresqlStore(own), tmp_path / "home").alive() as system:
        yield system
    own.close()


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Do not log what fails on purpose."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)
