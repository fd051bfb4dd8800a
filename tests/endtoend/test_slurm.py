"""Two hundred pilots of mixed fates at a real Slurm, through real workers.

At the end Slurm's own accounting must agree.
"""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.backends.slurm_world import World
from tests.endtoend.crew import Crew
from tests.factories import a_vo
from tests.patience import Patience, until
from tests.testbeds.slurm import Slurm
from worker.backends import registry
from worker.db import ces, pilot_reads, pilots
from worker.db.database import Database
from worker.db.pages import PageRequest
from worker.domain.ce import CE
from worker.domain.pilot import FINAL, Cause, Grant, Pilot, Status, group_and_number
from worker.services.operate import pilots as pilots_service
from worker.services.runtime import Runtime, TaskResult
from worker.services.tasks import catalogue
from worker.services.tasks.execute import execute

PARTS = (70, 60, 70)
"""The numbers of pilots that are sent at a time; the answer to the second part is lost."""
COMMAND = """
echo "pilot $PILOTAGE_STAMP"
case $((0x${PILOTAGE_STAMP#????????????????????????} % 20)) in
  0|1) echo ready; exec sleep 600 ;;
  2) timeout -s KILL 60 sh -c 'head -c 300000000 /dev/zero | tail' ;;
  3|4) exit 3 ;;
  *) exit 0 ;;
esac
"""
TO_KILL, TO_CANCEL, GREEDY, BAD = {0}, {1}, {2}, {3, 4}
NOT_ACCEPTED = (Status.RESERVED, Status.SUBMITTING)
AGAIN = 60.0
"""Seconds after which a pilot is ended again: on a busy machine Slurm may lose a signal."""
TIMED_OUT = 20
"""The number of a pilot that is not killed as its kind is: its time runs out."""

SLURM_SAYS = {
    (Status.DONE, None): "COMPLETED 0:0",
    (Status.FAILED, Cause.EXIT_CODE): "FAILED 3:0",
    (Status.FAILED, Cause.SIGNAL): "FAILED 0:9",
    (Status.FAILED, Cause.OUT_OF_MEMORY): "OUT_OF_MEMORY 0:125",
    (Status.FAILED, Cause.WALLTIME): "TIMEOUT 0:0",
    (Status.CANCELLED, None): "CANCELLED 0:0",
}


class Site:
    """A database with one CE, which is a real Slurm."""

    def __init__(self, world: World, database: Database) -> None:
        self.world = world
        self.database = database
        self.runtime = Runtime(
            database=database,
            backends=registry.discover(),
            home=world.folder / "home",
            now=lambda: datetime.now(UTC),
            holder="one",
            by_hand=True,
            instance=world.prefix,
        )
        options = {**world.options, "command": COMMAND, "memory": 30, "requeue": False}
        options |= {"check_soonest": 0.3, "check_latest": 1.0}
        if not world.slurm.limits_memory:
            options["command"] = COMMAND.replace("2) timeout", "99) timeout")
        with database.uow() as tx:
            self.vos = [a_vo().create(tx).name for _ in range(2)]
            self.ce = CE(name=world.ce, backend="slurm", capacity=sum(PARTS), options=options)
            ces.add(tx, self.ce)

    def reserve(self, count: int) -> None:
        """Reserve pilots for two VOs."""
        grants = [Grant(vo=vo, ce=self.ce.name, count=count // 2) for vo in self.vos]
        with self.database.uow() as tx:
            pilots.reserve(tx, grants, self.runtime.now())

    def run(self, task: str) -> TaskResult:
        return execute(catalogue.get(task), self.ce.name, self.runtime)

    def are_sent(self) -> bool:
        """Return whether the CE has accepted all pilots."""
        return not any(pilot.status in NOT_ACCEPTED for pilot in self.pilots())

    def pilots(self) -> list[Pilot]:
        with self.database.uow() as tx:
            return pilot_reads.find(tx, asked=PageRequest(limit=1000)).items

    def statuses(self) -> Counter[Status]:
        """Return the number of pilots in each status."""
        return Counter(pilot.status for pilot in self.pilots())

    def stuck(self) -> str:
        """Describe the pilots that have not ended, their jobs at Slurm and their processes."""
        active = [pilot for pilot in self.pilots() if pilot.status not in FINAL]
        handles = ",".join(str(pilot.handle) for pilot in active)
        queue = self.world.slurm.call("squeue", "-a", "-t", "all", "-j", handles)
        lines = [line for pilot in active for line in processes_of(str(pilot.stamp))]
        return "\n".join([str(active), queue, *lines])

    def of(self, kinds: set[int], *statuses: Status) -> list[Pilot]:
        """Return the pilots whose number is of these kinds, in these statuses."""
        return [
            pilot
            for pilot in self.pilots()
            if group_and_number(pilot.stamp)[1] % 20 in kinds and pilot.status in statuses
        ]


@pytest.fixture
def site(slurm_cluster: Slurm, postgresql_database: Database) -> Iterator[Site]:
    world = World(slurm_cluster, postgresql_database.uow)
    yield Site(world, postgresql_database)
    world.end()


@pytest.mark.slow
def test_slurms_own_accounting_agrees_pilot_by_pilot(site: Site, crew: Crew) -> None:
    crew.start(site.database, site.runtime.home, instance=site.world.prefix)
    send(site)
    fates = Fates(site)
    patience = Patience(site.statuses)
    while any(pilot.status not in FINAL for pilot in site.pilots()):
        assert patience.lasts(), site.stuck()
        fates.meet()
        time.sleep(0.3)
    crew.stop()
    assert len(site.pilots()) == sum(PARTS)
    assert crew.total("reconcile", "adopted") == PARTS[1]

    records = accounting(site, {str(pilot.handle) for pilot in site.pilots()})
    assert set(records) == {pilot.handle for pilot in site.pilots()}
    for pilot in site.pilots():
        state, name, start, end, node = records[str(pilot.handle)]
        assert state == SLURM_SAYS[pilot.status, pilot.cause], pilot
        assert name == f"{site.world.prefix}-{group_and_number(pilot.stamp)[0]}"
        assert pilot.node == node, pilot
        assert node not in ("", "None assigned")
        if pilot.status is not Status.CANCELLED:
            assert (f"{pilot.started_at:%FT%T}", f"{pilot.ended_at:%FT%T}") == (start, end)
    # A worker may have ended during a call of the CE. Its lease then keeps the others away.
    counts = until(lambda: site.run("reconcile").counts, "the end of the lease on the CE", pause=1)
    assert counts["strangers"] == 0
    assert fates.expected_ends() == Counter((pilot.status, pilot.cause) for pilot in site.pilots())


def send(site: Site) -> None:
    """Send the pilots in three parts; the answer to the second part is lost."""
    first, second, third = PARTS
    site.reserve(first)
    until(site.are_sent, progress=site.statuses, pause=0.3)
    with site.world.replacing('real "$@" >/dev/null; echo accepted; exit 0', "sbatch"):
        site.reserve(second)
        until(site.are_sent, progress=site.statuses, pause=0.3)
    site.reserve(third)
    until(site.are_sent, progress=site.statuses, pause=0.3)


class Fates:
    """The ends of those pilots that do not end by themselves."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.met: dict[str, float] = {}
        self.driver = site.runtime.driver(site.ce)

    def meet(self) -> None:
        """End the pilots of these kinds that run."""
        now = time.monotonic()
        for pilot in self.site.of(TO_KILL | TO_CANCEL, Status.RUNNING):
            if now > self.met.get(pilot.stamp, 0) and self._is_ready(pilot):
                self.met[pilot.stamp] = now + AGAIN
                self._meet(pilot)

    def expected_ends(self) -> Counter[tuple[Status, Cause | None]]:
        """Return the number of pilots that must end in each way."""
        return Counter(self._fate(group_and_number(one.stamp)[1]) for one in self.site.pilots())

    def _fate(self, number: int) -> tuple[Status, Cause | None]:
        if number == TIMED_OUT:
            return Status.FAILED, Cause.WALLTIME
        for kinds, cause in ((TO_KILL, Cause.SIGNAL), (BAD, Cause.EXIT_CODE)):
            if number % 20 in kinds:
                return Status.FAILED, cause
        if number % 20 in GREEDY and self.site.world.slurm.limits_memory:
            return Status.FAILED, Cause.OUT_OF_MEMORY
        return (Status.CANCELLED if number % 20 in TO_CANCEL else Status.DONE), None

    def _is_ready(self, pilot: Pilot) -> bool:
        """Return whether a pilot has begun: Slurm loses a signal that comes just before."""
        place = self.site.world.folder / "kept by pilots" / self.site.world.prefix
        outputs = list(place.rglob(f"{pilot.stamp}.out"))
        return bool(outputs) and "ready" in outputs[0].read_text()

    def _meet(self, pilot: Pilot) -> None:
        slurm, number = self.site.world.slurm, group_and_number(pilot.stamp)[1]
        if number % 20 in TO_CANCEL:
            pilots_service.cancel(self.site.runtime, [str(pilot.id)], yes=True)
        elif number == TIMED_OUT:
            slurm.attempt("scontrol", "update", f"JobId={pilot.handle}", "EndTime=now")
        else:
            slurm.attempt("scancel", "--batch", "--signal=KILL", str(pilot.handle))


def processes_of(stamp: str) -> Iterator[str]:
    """Describe each process with the stamp of a pilot in its environment or command line."""
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (place / "cmdline").read_bytes()
            if stamp.encode() in (place / "environ").read_bytes() + words:
                state = (place / "stat").read_text().rpartition(")")[2].split()[0]
                command = words.replace(b"\0", b" ").decode(errors="replace")
                yield f"process {place.name} in state {state}: {command[:200]}"


def accounting(site: Site, handles: set[str]) -> dict[str, tuple[str, ...]]:
    """Return what Slurm's accounting knows of these jobs, when all of them have ended."""
    arrays = ",".join(sorted({handle.partition("_")[0] for handle in handles}))
    words = [
        "-X",
        "-n",
        "-P",
        "-j",
        arrays,
        "-o",
        "JobID,State,ExitCode,JobName,Start,End,NodeList",
    ]

    def ends() -> list[str] | None:
        lines = site.world.slurm.call("env", "TZ=UTC", "sacct", *words).splitlines()
        is_early = any("|RUNNING|" in line or "|PENDING|" in line for line in lines)
        return None if is_early else lines

    fields = [
        line.split("|") for line in until(ends, "the end of all jobs in the accounting", pause=0.5)
    ]
    assert len(fields) == len({job for job, *_ in fields}), "a job is listed twice"
    return {
        job: (f"{state.split()[0]} {code}", name, start, end, node)
        for job, state, code, name, start, end, node in fields
    }
