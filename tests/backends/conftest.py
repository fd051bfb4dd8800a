"""CEs of the back-ends for their tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backends.arc_site import ArcSite
from tests.backends.slurm_world import World
from tests.testbeds.arc.service import Testbed
from tests.testbeds.slurm import Slurm
from tests.testbeds.ssh import LoginNode
from worker.db.database import Database


@pytest.fixture
def arc_site(arc_testbed: Testbed, tmp_path: Path, sqlite_database: Database) -> Iterator[ArcSite]:
    """One user of a real ARC CE."""
    site = ArcSite(arc_testbed, tmp_path, sqlite_database.uow)
    yield site
    site.end()


@pytest.fixture
def arc7_site(
    arc7_testbed: Testbed, tmp_path: Path, sqlite_database: Database
) -> Iterator[ArcSite]:
    """One user of a real ARC CE 7."""
    site = ArcSite(arc7_testbed, tmp_path, sqlite_database.uow)
    yield site
    site.end()


@pytest.fixture
def slurm_world(slurm_cluster: Slurm, sqlite_database: Database) -> Iterator[World]:
    """A CE of a real Slurm."""
    world = World(slurm_cluster, sqlite_database.uow)
    yield world
    world.end()


@pytest.fixture
def forgetful_world(forgetful_slurm: Slurm, sqlite_database: Database) -> Iterator[World]:
    """A CE of a Slurm without accounting that soon forgets."""
    world = World(forgetful_slurm, sqlite_database.uow)
    yield world
    world.end()


@pytest.fixture
def slurm_world_over_ssh(
    slurm_cluster: Slurm, login_node: LoginNode, sqlite_database: Database
) -> Iterator[World]:
    """A CE of a real Slurm behind a login node."""
    world = World(slurm_cluster, sqlite_database.uow, login=login_node)
    yield world
    world.end()
