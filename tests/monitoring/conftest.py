"""A world whose clock the test moves."""

from pathlib import Path

import pytest

from tests.cli.conftest import cli as cli
from tests.services.world import World
from worker.db.database import Database


@pytest.fixture
def sqlite_world(sqlite_database: Database, tmp_path: Path) -> World:
    return World(sqlite_database, tmp_path / "home")
