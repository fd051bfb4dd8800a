"""The database that the plays use."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.databases import Sqlite
from tests.stateful.runs import Try, run
from worker.db.engine import make_engine, parse_url


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """One database in memory for all plays: it keeps its compiled statements."""
    engine = make_engine(parse_url("sqlite://"))
    yield engine
    engine.dispose()


@pytest.fixture
def try_plays(engine: Engine, sqlite_template: Sqlite, tmp_path: Path) -> Try:
    """Try as many plays as the settings say, until one breaks a promise."""
    return partial(run, engine, sqlite_template.pour, tmp_path)
