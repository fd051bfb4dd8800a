"""The guard: no test touches a database that is not a test database."""

import os
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from tests.guard import NotATestDatabase
from tests.servers import test_url as url_for_tests
from worker import wiring
from worker.db import server
from worker.db.database import Database
from worker.db.engine import parse_url


def connect(url: str) -> None:
    create_engine(url, poolclass=NullPool).connect().close()


@pytest.mark.parametrize("name", ["pilotage", "production", "test", "pilotage_test2", "postgres2"])
def test_a_database_that_is_not_for_tests_is_out_of_reach(name: str) -> None:
    with pytest.raises(NotATestDatabase, match=name):
        connect(f"postgresql+psycopg://postgres@127.0.0.1:1/{name}")


def test_a_file_outside_of_the_temporary_folders_is_out_of_reach(tmp_path: Path) -> None:
    for path in ("/var/lib/pilotage.sqlite", tmp_path / "../../../../x.sqlite"):
        with pytest.raises(NotATestDatabase):
            connect(f"sqlite:///{path}")
    with pytest.raises(NotATestDatabase):
        connect("sqlite:///file:/var/lib/pilotage.sqlite?mode=ro&uri=true")


def test_a_file_of_the_test_and_one_in_memory_are_not(tmp_path: Path) -> None:
    connect("sqlite://")
    connect("sqlite:///file:shared?mode=memory&cache=shared&uri=true")
    connect(f"sqlite:///{tmp_path}/mine.sqlite")


@pytest.mark.slow
def test_only_test_databases_are_made_and_removed(postgresql_database: Database) -> None:
    working = postgresql_database.url.set(database="pilotage")

    with pytest.raises(NotATestDatabase, match="CREATE DATABASE"):
        server.create(working)
    with pytest.raises(NotATestDatabase, match="CREATE DATABASE"):
        server.create(working.set(database='x_test" OWNER "y'))


def test_the_maintenance_database_is_for_nothing_else(postgresql_database: Database) -> None:
    maintenance = postgresql_database.url.set(database="postgres")
    engine = create_engine(maintenance, poolclass=NullPool)

    with engine.connect() as connection, pytest.raises(NotATestDatabase, match="CREATE TABLE"):
        connection.execute(text("CREATE TABLE x (y integer)"))


def test_the_database_of_this_worker_is_a_test_database(postgresql_database: Database) -> None:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")

    with postgresql_database.engine.connect() as connection:
        name = connection.execute(text("SELECT current_database()")).scalar_one()
    assert name.endswith(f"_test_{worker}" if worker else "_test")


def test_no_setting_of_the_machine_reaches_a_test() -> None:
    ours = {name for name in os.environ if name.startswith("PILOTAGE_")}

    assert {name for name in ours if not name.startswith("PILOTAGE_TESTBED_")} == {"PILOTAGE_HOME"}
    assert wiring.settings().home == Path(os.environ["PILOTAGE_HOME"])


def test_the_working_database_is_refused_as_test_database() -> None:
    url = "postgresql://me@host/pilotage_test"

    with pytest.raises(ValueError, match="working database"):
        url_for_tests({"PILOTAGE_TEST_DATABASE_URL": url, "PILOTAGE_DATABASE_URL": url})
    with pytest.raises(ValueError, match="does not end in _test"):
        url_for_tests({"PILOTAGE_TEST_DATABASE_URL": "postgresql://me@host/pilotage"})


def test_the_env_file_names_a_test_database() -> None:
    path = Path(__file__).parents[1] / "test.env"
    values = dict(
        line.split("=", 1)
        for line in path.read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    )

    assert str(parse_url(values["PILOTAGE_DATABASE_URL"]).database).endswith("_test")
