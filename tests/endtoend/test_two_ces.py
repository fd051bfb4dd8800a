"""Two CEs at one real place, each of which ends unwanted jobs there: no other job ends.

At the end the programs of the place say which jobs were cancelled.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.backends.arc_site import ArcSite
from tests.backends.local_world import World as LocalWorld
from tests.backends.slurm_world import World as SlurmWorld
from tests.endtoend.crew import Crew
from tests.factories import a_ce
from tests.patience import until
from tests.runtimes import runtime_on
from tests.testbeds.arc.client import Client
from tests.testbeds.condor import Condor
from tests.testbeds.condor.configuration import SCHEDD
from tests.testbeds.slurm import Slurm
from worker.backends import registry
from worker.backends.local.keeper.files import EXIT
from worker.db import mover, pilot_reads, pilots
from worker.db.database import Database
from worker.db.pages import PageRequest
from worker.domain.credential import CredentialKind
from worker.domain.errors import CalledElsewhere
from worker.domain.pilot import Grant, Move, Pilot, Status, group_and_number
from worker.domain.vo import DEFAULT_VO
from worker.services import credentials
from worker.services.operate.ce_diff import CEDiff, diff
from worker.services.runtime import Runtime

MAIN, GPU = "site/main", "site/gpu"
MANY = 6
LOOKS = 4
"""The number of executions of reconcile for each CE that see the pilots of both."""
COMMAND = """
case $((0x${PILOTAGE_STAMP#????????????????????????} % 3)) in
  0) exit 0 ;;
  *) exec sleep 1000 ;;
esac
"""
TIMES = {"check_soonest": 0.5, "check_latest": 1.0}


@dataclass(frozen=True, kw_only=True)
class Place:
    """A place for two CEs, and the stamps that its own programs report as cancelled."""

    database: Database
    backend: str
    options: Mapping[str, Any]
    home: Path
    cancelled_stamps: Callable[[], set[str]]
    instance: str = "pilotage"
    go_on: Callable[[], object] = lambda: None
    names_running_nodes: bool = True
    """Whether the place always names the node of a pilot before its end."""


@pytest.fixture
def local_place(tmp_path: Path, postgresql_database: Database) -> Iterator[Place]:
    world = LocalWorld(tmp_path, postgresql_database.uow)

    def cancelled_stamps() -> set[str]:
        ends = {path.parent.name: path for path in (tmp_path / "local").glob(f"*/*/{EXIT}")}
        return {s for s, end in ends.items() if json.loads(end.read_text())["why"] == "cancelled"}

    yield Place(
        database=postgresql_database,
        backend="local",
        options={"grace": 1.0},
        home=tmp_path,
        cancelled_stamps=cancelled_stamps,
    )
    world.end()


@pytest.fixture
def slurm_place(slurm_cluster: Slurm, postgresql_database: Database) -> Iterator[Place]:
    world = SlurmWorld(slurm_cluster, postgresql_database.uow)

    def cancelled_stamps() -> set[str]:
        words = ["-X", "-n", "-P", "-a", "-S", "now-1hour", "-o", "JobID,State"]
        lines = slurm_cluster.call("sacct", *words).splitlines()
        handles = {line.split("|")[0] for line in lines if "|CANCELLED" in line}
        ours = slurm_cluster.jobs_ever(world.prefix)
        return {stamp for stamp, jobs in ours.items() if jobs & handles}

    yield Place(
        database=postgresql_database,
        backend="slurm",
        options={key: value for key, value in world.options.items() if key != "command"},
        home=world.folder / "home",
        instance=world.prefix,
        cancelled_stamps=cancelled_stamps,
    )
    world.end()


@pytest.fixture
def arc_place(arc_site: ArcSite, postgresql_database: Database) -> Place:
    credentials.add(
        runtime_on(postgresql_database),
        {"backend": "arc", "kind": CredentialKind.PROXY, "path": str(arc_site.proxy)},
    )

    def cancelled_stamps() -> set[str]:
        client = Client(testbed=arc_site.testbed, proxy=arc_site.proxy, folder=arc_site.folder)
        handles = {job for job, one in client.jobs().items() if one.state == "Killed"}
        return {pilot.stamp for pilot in all_pilots(postgresql_database) if pilot.handle in handles}

    options = arc_site.ce_options()
    return Place(
        database=postgresql_database,
        backend="arc",
        options={key: value for key, value in options.items() if key != "command"},
        home=arc_site.folder,
        cancelled_stamps=cancelled_stamps,
        go_on=lambda: arc_site.wait(0.3),
        names_running_nodes=False,
    )


@pytest.fixture
def condor_place(condor: Condor, postgresql_database: Database, tmp_path: Path) -> Iterator[Place]:
    both = " || ".join(f'PilotageInstance == "pilotage/{ce}"' for ce in (MAIN, GPU))

    def cancelled_stamps() -> set[str]:
        ads = [*condor.recorded(both), *condor.queue(both)]
        return {ad["PilotageStamp"] for ad in ads if ad["JobStatus"] == 3}

    yield Place(
        database=postgresql_database,
        backend="htcondor",
        options={
            "schedd": SCHEDD,
            "config": str(condor.client),
            "programs": str(condor.programs),
            "output_folder": str(condor.kept.folder / "output"),
            "memory": 64,
            "disk": 10,
        },
        home=tmp_path,
        cancelled_stamps=cancelled_stamps,
    )
    if condor.queue(both):
        condor.call("rm", "-name", SCHEDD, "-constraint", both)


def all_pilots(database: Database) -> list[Pilot]:
    with database.uow() as tx:
        return pilot_reads.find(tx, asked=PageRequest(limit=1000)).items


class Factory:
    """Two CEs at a place, and workers for both."""

    def __init__(self, place: Place, crew: Crew) -> None:
        self.place = place
        self.crew = crew
        self.runtime = Runtime(
            database=place.database,
            backends=registry.discover(),
            home=place.home,
            now=lambda: datetime.now(UTC),
            holder="test",
            by_hand=True,
            instance=place.instance,
        )
        options = {**place.options, **TIMES, "command": COMMAND}
        with place.database.uow() as tx:
            for name in (MAIN, GPU):
                ce = a_ce().named(name).on_backend(place.backend).with_capacity(50)
                ce.with_options(**options).cancelling_strangers().create(tx)
            grants = [Grant(vo=DEFAULT_VO, ce=ce, count=MANY) for ce in (MAIN, GPU)]
            pilots.reserve(tx, grants, self.runtime.now())
        crew.start(place.database, place.home, instance=place.instance)

    def until(self, condition: Callable[[], bool]) -> None:
        """Let the place go on until a condition is true; give up when no pilot moves."""

        def look() -> bool:
            self.place.go_on()
            return condition()

        until(look, progress=self._moves, pause=0.3)

    def _moves(self) -> list[Status]:
        return [pilot.status for pilot in all_pilots(self.place.database)]

    def all_are_settled(self) -> bool:
        """Return whether the short pilots have ended and the long ones run; none may fail."""
        everybody = all_pilots(self.place.database)
        failures = [(p.ce, p.cause, p.raw) for p in everybody if p.status is Status.FAILED]
        assert failures == []
        return all(pilot.status is _fate(pilot) for pilot in everybody)

    def executions(self, ce: str) -> int:
        """Return the number of executions of reconcile for a CE."""
        executions = self.crew.executions("reconcile")
        return sum(line.startswith(f"{ce}: listed") for line in executions)

    def until_reconciled(self) -> None:
        """Wait for more executions of reconcile for both CEs."""
        before = {ce: self.executions(ce) for ce in (MAIN, GPU)}
        self.until(lambda: all(self.executions(ce) >= n + LOOKS for ce, n in before.items()))

    def cancel_what_is_unwanted(self, ce: str) -> CEDiff:
        """Cancel unwanted jobs as an operator does, as soon as no worker calls the CE."""
        answers: list[CEDiff] = []

        def is_done() -> bool:
            with suppress(CalledElsewhere):
                answers.append(diff(self.runtime, ce, cancel=True, yes=True))
            return bool(answers)

        self.until(is_done)
        return answers[0]

    def leave_over(self) -> Pilot:
        """Record a pilot of the second CE as done, while its job goes on; return the pilot."""
        [one, *_] = [
            pilot
            for pilot in all_pilots(self.place.database)
            if pilot.ce == GPU and pilot.status is Status.RUNNING
        ]
        with self.place.database.uow() as tx:
            mover.move(tx, [Move(pilot_id=one.id, to=Status.DONE)], self.runtime.now())
        return one


def _fate(pilot: Pilot) -> Status:
    return Status.RUNNING if group_and_number(pilot.stamp)[1] % 3 else Status.DONE


@pytest.mark.postgresql
@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    [
        "local",
        pytest.param("slurm", marks=pytest.mark.testbed),
        pytest.param("arc", marks=(pytest.mark.testbed, pytest.mark.long)),
        pytest.param("condor", marks=(pytest.mark.testbed, pytest.mark.long)),
    ],
)
def test_two_ces_at_one_place_end_nothing_that_is_wanted(
    request: pytest.FixtureRequest, crew: Crew, kind: str
) -> None:
    place: Place = request.getfixturevalue(f"{kind}_place")
    factory = Factory(place, crew)
    factory.until(factory.all_are_settled)
    factory.until_reconciled()
    for what in ("cancelled", "leftovers", "strangers", "doubles"):
        assert crew.total("reconcile", what) == 0
    assert place.cancelled_stamps() == set()

    leftover = factory.leave_over()
    factory.until(lambda: leftover.stamp in place.cancelled_stamps())
    factory.until_reconciled()
    for ce in (MAIN, GPU):
        difference = factory.cancel_what_is_unwanted(ce)
        assert (difference.cancelled, difference.differences) == (0, [])
    crew.stop()
    assert place.cancelled_stamps() == {leftover.stamp}
    others = [p for p in all_pilots(place.database) if p.stamp != leftover.stamp]
    assert len(others) == 2 * MANY - 1
    assert all(pilot.status is _fate(pilot) for pilot in others)
    with_node = [p for p in others if place.names_running_nodes or p.status is not Status.RUNNING]
    assert with_node
    assert [pilot for pilot in with_node if not pilot.node] == []
