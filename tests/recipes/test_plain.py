"""The smallest fleet: copies of a script, on this machine and on a real Slurm over SSH."""

import pytest

from tests.backends.slurm_world import World
from tests.patience import until
from tests.recipes.fleet import Fleet
from tests.testbeds.slurm import Slurm
from tests.testbeds.ssh import LoginNode
from worker.db.database import Database

pytestmark = pytest.mark.processes
QUICK = {"check_soonest": 0.2, "check_latest": 1}


def outputs(fleet: Fleet) -> list[str]:
    return [fleet.pilotage("pilot", "output", str(one["id"])) for one in fleet.pilots()]


def end_all(fleet: Fleet) -> None:
    fleet.pilotage("vo", "drain", "default")
    fleet.pilotage("pilot", "cancel", "--vo", "default", "--yes")
    until(
        lambda: not fleet.pilots("--status", "running", "--status", "submitted"),
        "the end of all workers",
        progress=fleet.processes.progress,
    )


def test_workers_of_this_machine_are_kept_alive_and_finish_when_they_are_to_end(
    fleet: Fleet,
) -> None:
    fleet.init("plain", {"here": {"backend": "local", "capacity": 3, **QUICK}}, workers=2)
    fleet.apply()
    fleet.up()
    until(lambda: fleet.running("here") == 2, "two workers", progress=fleet.processes.progress)
    end_all(fleet)
    assert len(fleet.pilots()) == 2
    assert all("pieces of work" in text for text in outputs(fleet))


@pytest.mark.long
@pytest.mark.testbed
def test_workers_of_a_slurm_over_ssh(
    fleet: Fleet, slurm_cluster: Slurm, login_node: LoginNode, sqlite_database: Database
) -> None:
    world = World(slurm_cluster, sqlite_database.uow, login=login_node)
    options = {key: value for key, value in world.options.items() if key != "command"}
    clusters = {
        "here": {"backend": "local", "capacity": 1, **QUICK},
        "fir": {"backend": "slurm", "capacity": 3, **options, **QUICK},
    }
    fleet.init("plain", clusters, workers=3)
    fleet.apply()
    assert "fir" in fleet.pilotage("ce", "test", "fir")
    fleet.up()
    until(
        lambda: fleet.running("here") + fleet.running("fir") == 3,
        "three workers",
        progress=fleet.processes.progress,
    )
    assert fleet.running("fir") >= 2
    end_all(fleet)
    assert all("pieces of work" in text for text in outputs(fleet))
    world.end()
