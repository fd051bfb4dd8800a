"""A world for each test of a service."""

from pathlib import Path
from typing import Any

import pytest

from tests.services.world import World
from worker.db.database import Database


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    """A world on each database, with a clock that stands still."""
    return World(database, tmp_path / "home")


@pytest.fixture
def postgresql_world(postgresql_database: Database, tmp_path: Path) -> Any:
    return World(postgresql_database, tmp_path / "home")


@pytest.fixture
def sqlite_world(sqlite_database: Database, tmp_path: Path) -> Any:
    return World(sqlite_database, tmp_path / "home")
