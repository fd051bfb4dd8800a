"""A real HTCondor pool without machines: it grows into two real Slurms and shrinks again."""

import os
import secrets
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.backends.slurm_world import World
from tests.patience import until
from tests.recipes.fleet import Fleet
from tests.testbeds.condor import Condor
from tests.testbeds.condor.configuration import SCHEDD
from tests.testbeds.condor.fixture import running
from tests.testbeds.slurm import Slurm
from tests.testbeds.ssh import LoginNode
from worker.db.database import Database

pytestmark = [pytest.mark.processes, pytest.mark.testbed]
QUICK = {"check_soonest": 0.2, "check_latest": 1}
JOBS = 100
EACH = 3
"""Workers on each cluster."""
FREE = 20
"""The number of the first jobs. All later ones start, and then wait until they may go on."""
LIVE = ("reserved", "submitting", "submitted", "running")

JOB = """#!/bin/sh
echo x >>{folder}/$1.begun
while [ "$1" -ge "$2" ] && [ ! -e {folder}/go ]; do sleep 0.1; done
sleep 1
: >{folder}/$1.done
"""
DESCRIPTION = """
executable = {folder}/job.sh
arguments = $(Process) {free}
should_transfer_files = YES
initialdir = {folder}
log = {folder}/log
+Team = "{team}"
queue {count}
"""


@dataclass
class Pool:
    """The pool, and the jobs of one test in it."""

    condor: Condor
    team: str
    folder: Path = field(init=False)

    def __post_init__(self) -> None:
        self.folder = self.condor.kept.folder / self.team
        self.folder.mkdir()
        self.folder.chmod(0o777)
        (self.folder / "job.sh").write_text(JOB.format(folder=self.folder))
        (self.folder / "job.sh").chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        """The programs and the configuration of a host of the schedd."""
        path = f"{self.condor.local_programs}:{os.environ['PATH']}"
        return {"PATH": path, "CONDOR_CONFIG": str(self.condor.daemons)}

    @property
    def setup(self) -> str:
        return f"PATH={self.condor.release}/sbin:{self.condor.release}/bin:$PATH"

    def send(self, count: int, *, free: int = 0) -> None:
        """Send jobs; the free ones among them do not wait."""
        self._submit(DESCRIPTION.format(folder=self.folder, team=self.team, count=count, free=free))

    def _submit(self, text: str) -> None:
        subprocess.run(
            [self.condor.local_programs / "condor_submit"],
            check=True,
            capture_output=True,
            input=text.encode(),
            cwd="/",
            env={**os.environ, **self.environment},
        )

    @property
    def owner(self) -> str:
        """The name that the pool gives to the sender of the jobs."""
        team = f"owner-{self.team}"
        form = DESCRIPTION.format(folder=self.folder, team=team, count=1, free=0)
        self._submit(f"hold = True\n{form}")
        ours = ["-name", SCHEDD, "-constraint", f'Team == "{team}"']
        name = str(self.condor.call("q", *ours, "-af", "Owner")).strip()
        self.condor.attempt("rm", *ours)
        return name

    def go_on(self) -> None:
        (self.folder / "go").touch()

    def count_done(self) -> int:
        return len(list(self.folder.glob("*.done")))

    def progress(self) -> int:
        return len(list(self.folder.iterdir()))

    def starts(self) -> list[str]:
        return [path.read_text() for path in self.folder.glob("*.begun")]

    def clusters(self) -> set[str]:
        """Return the clusters of the machines of the pool."""
        return set(self.condor.call("status", "-af", "Cluster").split())

    def history(self) -> list[dict[str, Any]]:
        return self.condor.recorded(f'Team == "{self.team}"')

    def end(self) -> None:
        ours = ["-constraint", f'Team == "{self.team}"']
        self.condor.attempt("rm", "-name", SCHEDD, *ours)


@pytest.fixture(scope="module")
def empty_condor(request: pytest.FixtureRequest) -> Iterator[Condor]:
    """A pool that has no machine."""
    yield from running(request.config, "growing", slots=0)


@pytest.fixture
def pool(empty_condor: Condor) -> Iterator[Pool]:
    pool = Pool(empty_condor, f"t{secrets.token_hex(4)}")
    yield pool
    pool.end()


@dataclass
class Sites:
    """Two Slurms behind one login node."""

    north: Slurm
    south: Slurm
    clusters: dict[str, dict[str, Any]]


@pytest.fixture
def sites(
    slurm_cluster: Slurm,
    forgetful_slurm: Slurm,
    login_node: LoginNode,
    sqlite_database: Database,
) -> Iterator[Sites]:
    slurms = {"north": slurm_cluster, "south": forgetful_slurm}
    worlds, clusters = [], {}
    for name, slurm in slurms.items():
        world = World(slurm, sqlite_database.uow, login=login_node)
        options = {key: value for key, value in world.options.items() if key != "command"}
        clusters[name] = {"backend": "slurm", "capacity": EACH, **options, **QUICK}
        clusters[name] |= {"call_timeout": 15}
        worlds.append(world)
    yield Sites(slurm_cluster, forgetful_slurm, clusters)
    for world in worlds:
        world.prefix = "pilotage"
        world.end()


@contextmanager
def standstill(slurm: Slurm) -> Iterator[None]:
    """Ask all jobs of the cluster to end; its controller does not answer during the block."""
    handles = [one for some in slurm.jobs("pilotage", "running").values() for one in some]
    slurm.call("scancel", "--signal=TERM", "--batch", *handles)
    controller = slurm.pid("slurmctld")
    os.kill(controller, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(controller, signal.SIGCONT)


def begin(
    fleet: Fleet,
    pool: Pool,
    clusters: dict[str, dict[str, Any]],
    token: Path,
    *,
    grace: int = 120,
) -> None:
    fleet.settings |= pool.environment
    fleet.init(
        "condor",
        clusters,
        pool=pool.condor.address,
        constraint=f'Team == "{pool.team}"',
        owners=pool.owner,
        token_file=str(token),
        setup=pool.setup,
        most=2 * EACH,
        memory=500,
        idle=20,
        grace=grace,
    )
    fleet.apply()
    fleet.up()


def is_over(fleet: Fleet) -> bool:
    return not fleet.pilots(*(word for status in LIVE for word in ("--status", status)))


@pytest.mark.long
def test_a_pool_grows_into_two_clusters_and_one_of_them_stops(
    fleet: Fleet, pool: Pool, sites: Sites
) -> None:
    begin(fleet, pool, sites.clusters, pool.condor.worker_token(pool.folder / "token"))
    assert "0" in fleet.pilotage("vo", "ask", "default")
    assert not fleet.pilots()
    pool.send(JOBS, free=FREE)
    first_starts = FREE + 2 * EACH
    until(
        lambda: len(pool.starts()) == first_starts, "a job for each worker", progress=pool.progress
    )
    assert pool.clusters() == {"north", "south"}
    until(
        lambda: [fleet.running(ce) for ce in sites.clusters] == [EACH, EACH], "all workers to run"
    )
    with standstill(sites.north):
        pool.go_on()
        until(
            lambda: pool.clusters() == {"south"},
            "the end of the workers in the north",
            progress=pool.progress,
        )
        until(lambda: pool.count_done() == JOBS, "the end of all jobs", progress=pool.progress)
    until(lambda: is_over(fleet), "the end of all workers", progress=fleet.processes.progress)
    until(lambda: len(pool.history()) == JOBS, "the history of all jobs")

    assert pool.starts() == ["x\n"] * JOBS
    assert {(job["JobStatus"], job["NumJobStarts"]) for job in pool.history()} == {(4, 1)}
    assert not pool.clusters()
    agree(fleet, pool, sites)


def agree(fleet: Fleet, pool: Pool, sites: Sites) -> None:
    """Check that the pool, both Slurms and the fleet agree."""
    pilots = fleet.pilots()
    assert {one["status"] for one in pilots} == {"done"}
    useful_stamps = {one["stamp"] for one in pilots if one["use"] != "empty"}
    assert useful_stamps == {job["LastRemoteHost"].split("@")[1] for job in pool.history()}
    of_north = {one["stamp"] for one in pilots if one["ce"] == "north"}
    in_north = [job for job in pool.history() if job["LastRemoteHost"].split("@")[1] in of_north]
    assert EACH <= len(in_north) <= FREE + EACH
    assert of_north <= sites.north.jobs_ever("pilotage").keys()
    handles = {one["handle"] for one in pilots if one["ce"] == "north"}
    output = sites.north.call(
        "sacct", "-X", "-n", "-P", "-o", "JobID,State", "-j", ",".join(handles)
    )
    states = Counter(line.partition("|")[2] for line in output.splitlines())
    assert states == Counter(
        "COMPLETED" if one["stamp"] in useful_stamps else "FAILED"
        for one in pilots
        if one["ce"] == "north"
    )
    assert not sites.south.jobs("pilotage", "pending,running")


def test_one_worker_comes_for_each_job_and_none_while_those_are_on_their_way(
    fleet: Fleet, pool: Pool, sites: Sites
) -> None:
    south = {**sites.clusters["south"], "capacity": 2 * EACH}
    pool.send(EACH)
    begin(fleet, pool, {"south": south}, pool.condor.worker_token(pool.folder / "token"))
    until(
        lambda: len(pool.starts()) == EACH, "the end of all jobs", progress=fleet.processes.progress
    )
    until(lambda: fleet.running("south") == EACH, "the workers to run")
    pool.go_on()
    until(lambda: is_over(fleet), "the end of all workers", progress=fleet.processes.progress)
    assert [one["use"] for one in fleet.pilots()] == ["useful"] * EACH


@pytest.mark.long
def test_a_worker_without_a_token_says_so(fleet: Fleet, pool: Pool) -> None:
    pool.send(1)
    begin(fleet, pool, {"here": {"backend": "local", "capacity": 1, **QUICK}}, pool.folder / "no")
    [one] = until(lambda: fleet.pilots("--status", "failed")[:1], "a worker that fails")
    assert f"no file {pool.folder}/no" in fleet.pilotage("pilot", "output", str(one["id"]))


@pytest.mark.long
def test_a_job_that_outlasts_the_grace_goes_back_into_the_queue(
    fleet: Fleet, pool: Pool, sites: Sites
) -> None:
    token = pool.condor.worker_token(pool.folder / "token")
    begin(fleet, pool, {"south": sites.clusters["south"]}, token, grace=40)
    pool.send(1)
    until(
        lambda: pool.starts() == ["x\n"], "the start of the job", progress=fleet.processes.progress
    )
    until(lambda: fleet.running("south") == 1, "the worker to run")
    fleet.pilotage("pilot", "cancel", "--vo", "default", "--yes")
    until(
        lambda: pool.starts() == ["x\nx\n"],
        "the second start of the job",
        progress=fleet.processes.progress,
    )
    pool.go_on()
    until(pool.history, "the history of all jobs", progress=fleet.processes.progress)
    until(lambda: is_over(fleet), "the end of all workers", progress=fleet.processes.progress)
    [job] = pool.history()
    assert (job["JobStatus"], job["NumJobStarts"]) == (4, 2)
    assert len([one for one in fleet.pilots() if one["use"] != "empty"]) == 2


@pytest.mark.long
def test_a_worker_that_the_pool_does_not_let_in_says_so(fleet: Fleet, pool: Pool) -> None:
    token = pool.folder / "token"
    pool.condor.make_token("somebody", token)
    pool.send(1)
    begin(fleet, pool, {"here": {"backend": "local", "capacity": 1, **QUICK}}, token)
    [one] = until(lambda: fleet.pilots("--status", "failed")[:1], "a worker that fails")
    assert one["cause"] == "node"
    output = fleet.pilotage("pilot", "output", str(one["id"]))
    assert f"the pool {pool.condor.address} lets no worker in" in output
    assert token.read_text().strip() not in output
