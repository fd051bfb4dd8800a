"""The fixtures of every test; `session.py`, `databases.py` and `guard.py` do the work."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.databases import Postgresql, Sqlite, emptied, rolled_back
from tests.guard import Guard
from tests.servers import obtain
from tests.session import PLAN, worker_name
from tests.session import pytest_collection_finish as pytest_collection_finish
from tests.session import pytest_collection_modifyitems as pytest_collection_modifyitems
from tests.session import pytest_configure as pytest_configure
from tests.session import pytest_configure_node as pytest_configure_node
from tests.session import pytest_terminal_summary as pytest_terminal_summary
from tests.session import pytest_unconfigure as pytest_unconfigure
from tests.testbeds.arc.fixtures import arc7_testbed as arc7_testbed
from tests.testbeds.arc.fixtures import arc_testbed as arc_testbed
from tests.testbeds.condor.fixture import condor as condor
from tests.testbeds.condor.fixture import condor_pool as condor_pool
from tests.testbeds.fixtures import forgetful_slurm as forgetful_slurm
from tests.testbeds.fixtures import login_node as login_node
from tests.testbeds.fixtures import slurm_cluster as slurm_cluster
from worker import wiring
from worker.db.database import Database
from worker.db.uow import UnitOfWork

ON_BOTH = ("sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql))


@pytest.fixture(scope="session", autouse=True)
def guard(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Let no test touch a database that is not a test database."""
    folder = Path(request.config.stash[PLAN].folder)
    standing = Guard([folder, tmp_path_factory.getbasetemp()])
    standing.install()
    yield standing
    standing.remove()


@pytest.fixture(autouse=True)
def _fresh_wiring() -> Iterator[None]:
    """Let each test that uses the wiring build its own parts."""
    yield
    wiring.forget()


@pytest.fixture(scope="session")
def postgresql_server(request: pytest.FixtureRequest) -> Iterator[Postgresql]:
    """The server of this session; the first test that needs it starts it."""
    plan = request.config.stash[PLAN]
    server = obtain(plan)
    if server.url is None:
        say = pytest.fail if plan.required else pytest.skip
        say(f"needs the service PostgreSQL: {server.how}")
    databases = Postgresql(str(server.url), worker_name(request.config))
    yield databases
    databases.close()


@pytest.fixture(scope="session")
def postgresql_main(postgresql_server: Postgresql) -> Iterator[Database]:
    with postgresql_server.main() as database:
        yield database


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sqlite]:
    template = Sqlite(tmp_path_factory.mktemp("sqlite"))
    yield template
    template.close()


@pytest.fixture
def sqlite(sqlite_template: Sqlite) -> Iterator[UnitOfWork]:
    """A database in memory of this test's own."""
    with sqlite_template.in_memory() as uow:
        yield uow


@pytest.fixture
def postgresql(postgresql_main: Database) -> Iterator[UnitOfWork]:
    """PostgreSQL; whatever is committed is rolled back after the test."""
    with rolled_back(postgresql_main.engine) as uow:
        yield uow


@pytest.fixture(params=ON_BOTH)
def uow(request: pytest.FixtureRequest) -> Any:
    """A unit of work on each database, for one test."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def postgresql_database(postgresql_main: Database) -> Iterator[Database]:
    """PostgreSQL with real commits, emptied after the test."""
    yield postgresql_main
    emptied(postgresql_main)


@pytest.fixture
def sqlite_database(sqlite_template: Sqlite) -> Iterator[Database]:
    """An SQLite file that holds nothing of another test."""
    with sqlite_template.main() as database:
        yield database


@pytest.fixture(params=ON_BOTH)
def database(request: pytest.FixtureRequest) -> Any:
    """Each database with real commits, for processes, threads and services."""
    return request.getfixturevalue(f"{request.param}_database")


@pytest.fixture
def postgresql_blank(postgresql_server: Postgresql) -> Iterator[Database]:
    with postgresql_server.blank() as database:
        yield database


@pytest.fixture
def postgresql_fresh(postgresql_server: Postgresql) -> Iterator[Database]:
    with postgresql_server.fresh() as database:
        yield database


@pytest.fixture
def sqlite_blank(sqlite_template: Sqlite, tmp_path: Path) -> Iterator[Database]:
    with sqlite_template.blank(tmp_path / "blank.sqlite") as database:
        yield database


@pytest.fixture
def postgresql_core(postgresql_server: Postgresql) -> Iterator[Database]:
    with postgresql_server.core() as database:
        yield database


@pytest.fixture
def sqlite_core(sqlite_template: Sqlite, tmp_path: Path) -> Iterator[Database]:
    with sqlite_template.core(tmp_path / "core.sqlite") as database:
        yield database


@pytest.fixture(params=ON_BOTH)
def blank(request: pytest.FixtureRequest) -> Any:
    """Each database, made and not migrated."""
    return request.getfixturevalue(f"{request.param}_blank")


@pytest.fixture
def sqlite_fresh(sqlite_database: Database) -> Database:
    return sqlite_database


@pytest.fixture(params=ON_BOTH)
def fresh(request: pytest.FixtureRequest) -> Any:
    """Each database, migrated, for a test that spoils or removes it."""
    return request.getfixturevalue(f"{request.param}_fresh")
