"""An installation and its API: within this process, or as a process of its own."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from tests.databases import Sqlite
from tests.services.world import World
from tests.web.apps import app_on
from tests.web.client import Client
from tests.web.site import Site, copy_of, furnish
from worker.db.database import Database
from worker.db.engine import SQLITE


@pytest.fixture(scope="session")
def sqlite_pattern(
    sqlite_template: Sqlite, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """The installation that each installation on SQLite is a copy of."""
    folder = tmp_path_factory.mktemp("pattern")
    with sqlite_template.file(folder / "pattern.sqlite") as database:
        site = furnish(World(database, folder / "home"), folder)
        database.close()  # so that the file holds everything
        yield site


@pytest.fixture
def site(request: pytest.FixtureRequest, database: Database, tmp_path: Path) -> Site:
    """An installation on each database, whose clock stands still."""
    if database.engine.dialect.name == SQLITE:
        return copy_of(request.getfixturevalue("sqlite_pattern"), database, tmp_path)
    return furnish(World(database, tmp_path / "home"), tmp_path)


@pytest.fixture
def app(site: Site) -> FastAPI:
    return app_on(site.world.runtime())


@pytest.fixture
def client(app: FastAPI, site: Site) -> Client:
    return Client(app, site)


@pytest.fixture
def now_site(database: Database, tmp_path: Path) -> Site:
    """An installation at the present time, for servers with clocks of their own."""
    world = World(database, tmp_path / "home")
    world.clock = datetime.now(UTC)
    site = furnish(world, tmp_path)
    database.engine.dispose()
    return site


@pytest.fixture
def sqlite_site(sqlite_database: Database, sqlite_pattern: Site, tmp_path: Path) -> Site:
    """An installation on SQLite only, for tests that do not depend on the database."""
    return copy_of(sqlite_pattern, sqlite_database, tmp_path)


@pytest.fixture
def sqlite_client(sqlite_site: Site) -> Client:
    return Client(app_on(sqlite_site.world.runtime()), sqlite_site)


@pytest.fixture
def document(sqlite_client: Client) -> Any:
    """The OpenAPI document, as the server sends it."""
    return sqlite_client.get("/api/openapi.json")


@pytest.fixture
def world(sqlite_database: Database, tmp_path: Path) -> World:
    """A world on SQLite, for pages that do not depend on the database."""
    return World(sqlite_database, tmp_path / "home")


@pytest.fixture
def each_world(database: Database, tmp_path: Path) -> World:
    """A world on each database."""
    return World(database, tmp_path / "home")
