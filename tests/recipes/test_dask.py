"""Dask on two clusters: a result is right after one is drained and a worker is killed."""

import os
import re
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.backends.slurm_world import World
from tests.demand.servers import dask_python, dask_scheduler, running
from tests.patience import until
from tests.recipes.fleet import Fleet
from tests.testbeds.slurm import Slurm
from tests.testbeds.ssh import LoginNode
from worker.db.database import Database

pytestmark = [pytest.mark.processes, pytest.mark.slow]
QUICK = {"check_soonest": 0.2, "check_latest": 1}
TASKS, BATCH = 2000, 200

CLIENT = f"""
import sys, time
from pathlib import Path
from distributed import Client, as_completed

def square(number):
    time.sleep(0.02)
    return number * number

client = Client(sys.argv[1])
enough = Path(sys.argv[2])
results = []
while len(results) < {TASKS} or not enough.exists():
    batch = client.map(square, range(len(results), len(results) + {BATCH}))
    results += batch
    for _ in as_completed(batch):
        pass
    print("done", len(results), flush=True)
total = client.submit(sum, results).result()
print("result", len(results), total, flush=True)
"""


@dataclass
class Computation:
    """A scheduler, and a client that sends tasks until the test has enough of them."""

    python: Path
    scheduler: str
    url: str
    folder: Path

    @contextmanager
    def goes_on(self) -> Iterator[None]:
        script = self.folder / "client.py"
        script.write_text(CLIENT)
        words = [str(self.python), str(script), self.scheduler, str(self.folder / "enough")]
        with running(words, self.folder / "client.log"):
            yield

    def batches(self) -> int:
        return self._log().count("done")

    def result(self) -> list[int]:
        # Wait for the whole line: a client without a buffer writes word by word.
        line = re.compile(r"^result (\d+) (\d+)\n", re.MULTILINE)
        until(lambda: line.search(self._log()), "the result", progress=self._log)
        [numbers] = line.findall(self._log())
        return [int(number) for number in numbers]

    def suffices(self) -> None:
        (self.folder / "enough").touch()

    def workers(self) -> list[int]:
        """Return the processes of all workers of the scheduler."""
        return [pid for pid, words, _ in _processes() if self.scheduler in words[2:3]]

    def worker(self, stamp: str) -> int:
        [pid] = [
            pid
            for pid, words, environment in _processes()
            if self.scheduler in words[2:3] and f"PILOTAGE_STAMP={stamp}" in environment
        ]
        return pid

    def knows(self, stamp: str) -> bool:
        """Return whether a worker has reported to the scheduler."""
        return f"name: {stamp}" in (self.folder / "dask.log").read_text()

    def _log(self) -> str:
        path = self.folder / "client.log"
        return path.read_text() if path.exists() else ""


@pytest.fixture
def computation(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Computation]:
    python = dask_python(request.config)
    folder = tmp_path / "computation"
    folder.mkdir()
    with dask_scheduler(python, folder) as (scheduler, url):
        computation = Computation(python, scheduler, url, folder)
        yield computation
    until(
        lambda: not computation.workers(), "the end of the workers, which end with their scheduler"
    )


def begin(fleet: Fleet, computation: Computation, clusters: Mapping[str, Any]) -> None:
    fleet.init(
        "dask",
        clusters,
        scheduler=computation.scheduler,
        url=computation.url,
        setup=f"PATH='{computation.python.parent}':$PATH",
        most=4,
        idle=3,
        grace=120,
    )
    fleet.apply()
    fleet.up()


def survives_a_drain_and_a_kill(fleet: Fleet, computation: Computation, drained_ce: str) -> None:
    """Drain one cluster, and kill a worker of the cluster `here`, while the workers compute."""
    with computation.goes_on():
        victim = at_work(fleet, computation, "here")
        at_work(fleet, computation, drained_ce)
        before = computation.batches()
        until(lambda: computation.batches() > before + 1, "the next tasks of all workers")
        fleet.pilotage("ce", "drain", drained_ce, "--by", "1s", "--end-running")
        os.kill(computation.worker(victim["stamp"]), signal.SIGKILL)
        until(
            lambda: not active(fleet, drained_ce) and failed(fleet),
            "an empty cluster and a worker that failed",
            progress=computation.batches,
        )
        computation.suffices()
        count, total = computation.result()
    until(lambda: not active(fleet), "the end of all workers", progress=fleet.processes.progress)

    assert count >= TASKS
    assert total == sum(number * number for number in range(count))
    assert [(one["id"], one["cause"]) for one in failed(fleet)] == [(victim["id"], "signal")]
    ends = {(one["ce"], one["status"], one["use"]) for one in fleet.pilots()}
    uses = {use for _, status, use in ends if status == "done"}
    assert (drained_ce, "done", "useful") in ends, ends
    assert uses <= {"useful", "short", "empty"}, ends
    assert not computation.workers()


def at_work(fleet: Fleet, computation: Computation, ce: str) -> dict[str, Any]:
    """Wait for the workers of a cluster; return one of them."""

    def known_workers() -> list[dict[str, Any]]:
        rows = fleet.pilots("--ce", ce, "--status", "running")
        return rows if all(computation.knows(one["stamp"]) for one in rows) else []

    return until(known_workers, f"the workers at {ce}", progress=fleet.processes.progress)[0]


def active(fleet: Fleet, *ce: str) -> list[dict[str, Any]]:
    states = ("reserved", "submitting", "submitted", "running")
    words = [word for state in states for word in ("--status", state)]
    return fleet.pilots(*words, *(word for name in ce for word in ("--ce", name)))


def failed(fleet: Fleet) -> list[dict[str, Any]]:
    return fleet.pilots("--status", "failed")


def _processes() -> Iterator[tuple[int, list[str], list[str]]]:
    """Yield each process with its command line and its environment."""
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit():
                parts = [(entry / name).read_bytes() for name in ("cmdline", "environ")]
                words, environment = (part.decode(errors="replace").split("\0") for part in parts)
                yield int(entry.name), words, environment


def test_a_result_is_right_though_a_cluster_is_drained_and_a_worker_is_killed(
    fleet: Fleet, computation: Computation
) -> None:
    local = {"backend": "local", "capacity": 2, **QUICK}
    begin(fleet, computation, {"here": local, "there": local})
    survives_a_drain_and_a_kill(fleet, computation, "there")


@pytest.fixture
def slurm_world(
    slurm_cluster: Slurm, login_node: LoginNode, sqlite_database: Database
) -> Iterator[World]:
    world = World(slurm_cluster, sqlite_database.uow, login=login_node)
    yield world
    world.end()


@pytest.mark.long
@pytest.mark.testbed
def test_the_same_with_a_slurm_over_ssh(
    slurm_world: World, fleet: Fleet, computation: Computation
) -> None:
    options = {key: value for key, value in slurm_world.options.items() if key != "command"}
    clusters = {
        "here": {"backend": "local", "capacity": 2, **QUICK},
        "fir": {"backend": "slurm", "capacity": 2, "memory": 500, **options, **QUICK},
    }
    begin(fleet, computation, clusters)
    survives_a_drain_and_a_kill(fleet, computation, "fir")
