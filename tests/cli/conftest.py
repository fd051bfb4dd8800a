"""A command line, and databases that only one test uses."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Cli, address, forget
from tests.databases import Sqlite
from tests.factories import a_ce, a_pilot, a_vo
from worker.db.database import Database
from worker.db.engine import SQLITE
from worker.db.uow import Transaction


@pytest.fixture
def cli(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Cli]:
    """A command line with a state folder of its own and without a terminal."""
    monkeypatch.setenv("PILOTAGE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("COLUMNS", raising=False)
    yield Cli(capsys)
    forget()


@pytest.fixture
def world(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A migrated database that the command line uses."""
    monkeypatch.setenv("PILOTAGE_DATABASE_URL", address(database.url))
    return database


@pytest.fixture
def bare(blank: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A database without tables that the command line uses; a test may remove it."""
    monkeypatch.setenv("PILOTAGE_DATABASE_URL", address(blank.url))
    return blank


@pytest.fixture
def fresh(fresh: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A migrated database that the command line uses; a test may damage or remove it."""
    monkeypatch.setenv("PILOTAGE_DATABASE_URL", address(fresh.url))
    return fresh


@pytest.fixture
def site(world: Database, sqlite_template: Sqlite) -> Database:
    """A small site: a CE with a pilot that is not sent, one that runs and one that is done."""
    small_site(world, sqlite_template)
    return world


def small_site(database: Database, sqlite_template: Sqlite) -> None:
    """Make the small site in a database of either kind."""

    def make() -> None:
        with database.uow() as tx:
            furnish(tx)

    if database.engine.dialect.name == SQLITE:
        sqlite_template.fill("small site", make)
    else:
        make()


def furnish(tx: Transaction) -> Any:
    a_vo().named("lhcb").with_share(2).create(tx)
    lyon = a_ce().named("lyon").with_capacity(5).with_options(check_soonest=0.01).create(tx)
    a_ce().named("rome").with_capacity(2).disabled().create(tx)
    for pilot in (a_pilot().reserved(), a_pilot().running(), a_pilot().done()):
        pilot.on(lyon).create(tx)
    return lyon
