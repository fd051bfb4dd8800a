"""A real Slurm passes the conformance suite."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import MappingProxyType
from typing import Any

import pytest

from tests.backends.planting import plant_slurm
from tests.backends.slurm_world import FOREVER, World, in_groups, until
from worker.backends.conformance import Conformance, Lie, Life, Site, Trouble, never
from worker.backends.conformance.asking import Lying
from worker.backends.conformance.cancelling import Cancelling
from worker.backends.conformance.listing import Listings
from worker.backends.conformance.submitting import Submitting
from worker.backends.contract import Driver
from worker.backends.slurm import client
from worker.backends.slurm.driver import SlurmDriver
from worker.db.database import Database
from worker.domain.ce_answers import Job, Order
from worker.domain.pilot import group_and_number

LIVES: dict[Life, dict[str, Any]] = {
    Life.LONG: {"command": FOREVER},
    Life.SHORT: {"command": "exit 0"},
    Life.FAILING: {"command": "exit 3"},
    Life.CHATTY: {"command": "yes | head -c 3000000"},
}

SCRIPTS = {
    Trouble.REPLY_LOST: (
        'case $0 in */sbatch) real "$@" >/dev/null; echo "sbatch: error: Batch job submission'
        ' failed: Socket timed out on send/recv operation" >&2; exit 1;; esac'
    ),
    Trouble.DOWN: (
        'echo "${0##*/}: error: Unable to contact slurm controller (connect failure)" >&2; exit 1'
    ),
    Trouble.SLOW: "exec sleep 30",
    Trouble.EMPTY: "exit 0",
    Trouble.TRUNCATED: 'real "$@" | head -c 150; exit 0',
    Trouble.UNREADABLE: 'echo "<html>Gateway Timeout</html>"; exit 0',
    Trouble.STRANGE_WORD: 'real "$@" | sed "s/RUNNING/PONDERING/; s/PENDING/PONDERING/"; exit 0',
    Trouble.CREDENTIAL: ('echo "${0##*/}: error: Protocol authentication error" >&2; exit 1'),
}
"""The scripts that replace the programs."""


class SlurmSite(Site):
    """One CE of a real Slurm, whose programs a test can replace."""

    cannot = MappingProxyType(
        {
            Trouble.REFUSAL: "an array is accepted or refused as a whole; see test_slurm_submit.py",
            Trouble.SKEWED: "all its services run on this machine, with this clock",
        }
    )
    cannot_lie = never("its script writes seconds", Lie.NO_ZONE)
    many = 1000
    many_ids = 5000
    time_limit = 1
    step = 0.1
    patience = 3000

    def __init__(self, world: World) -> None:
        self.world = world
        self.drivers: list[SlurmDriver] = []
        self.handles_in_a_hurry: set[str] = set()
        world.connect().hello()

    def connect(self, life: Life = Life.LONG) -> Driver:
        return self._driver_of(self.world, life)

    def connect_second(self, life: Life = Life.LONG) -> Driver:
        return self._driver_of(self.world.neighbour("hpc/two"), life)

    def _driver_of(self, world: World, life: Life) -> Driver:
        guard = world.connect(**LIVES[life])
        assert isinstance(guard._driver, SlurmDriver)
        self.drivers.append(guard._driver)
        return guard

    def contents(self) -> object:
        paths = sorted((self.world.folder / "kept by pilots" / self.world.prefix).rglob("*"))
        return [(path, path.stat().st_mtime_ns) for path in paths]

    def grow_old(self) -> None:
        for path in (self.world.folder / "kept by pilots" / self.world.prefix).rglob("*.*"):
            os.utime(path, (0, 0))

    def unknown_handle(self, number: int) -> str:
        return f"{10**6 + number}_{number % 1000}"

    def orders(self, count: int) -> list[Order]:
        # Ten pilots are three arrays, so that only some arrays get an answer.
        return in_groups([4, 4, 2]) if count == 10 else super().orders(count)

    def plant(self, lie: Lie, job: Job) -> None:
        place = self.world.folder / "kept by pilots" / self.world.prefix
        path = place / group_and_number(job.stamp)[0] / f"{job.stamp}.end"
        plant_slurm(path, lie, str(job.handle))

    @contextmanager
    def provoke(self, trouble: Trouble, stamps: Sequence[str]) -> Iterator[None]:
        if trouble in SCRIPTS:
            if trouble is Trouble.SLOW:
                for driver in self.drivers:
                    impatient = {"call_timeout": self.time_limit}
                    driver.options = driver.options.model_copy(update=impatient)
            with self.world.replacing(SCRIPTS[trouble]):
                yield
        else:
            with getattr(self, f"_{trouble}")(stamps):
                yield

    @contextmanager
    def _half(self, _: Sequence[str]) -> Iterator[None]:
        """The first array gets an answer; the others are accepted without one."""
        mark = self.world.folder / "kept by pilots" / "answered"
        script = (
            f'[ -f "{mark}" ] && {{ real "$@" >/dev/null; echo accepted; exit 0; }}; touch "{mark}"'
        )
        with self.world.replacing(script, "sbatch"):
            yield

    @contextmanager
    def _garbage(self, stamps: Sequence[str]) -> Iterator[None]:
        change = "s/None  /\\x01\\xff\\xfe\\x1b[2J/; s/RUNNING/\\x02\\xffRUNNING/"
        script = f'real "$@" | sed "{change}"; exit 0'
        with self.world.replacing(script, "squeue", "sacct"):
            yield

    @contextmanager
    def _forgotten(self, stamps: Sequence[str]) -> Iterator[None]:
        with self._without(stamps, "squeue", "sacct"):
            yield

    @contextmanager
    def _left_listing(self, stamps: Sequence[str]) -> Iterator[None]:
        with self._without(stamps, "squeue"):
            yield

    @contextmanager
    def _without(self, stamps: Sequence[str], *programs: str) -> Iterator[None]:
        """Leave out the lines of jobs: both programs write array and index, in different forms."""
        jobs = self.world.slurm.jobs(self.world.prefix)
        handles = [handle for stamp in stamps for handle in jobs.get(stamp, ())]
        pairs = [handle.partition("_")[::2] for handle in handles]
        lines = "|".join(f"^{array}(_|\\x1f){index}\\x1f" for array, index in pairs)
        # Elements of an array that wait share one line of squeue.
        apart = 'case $0 in */squeue) set -- "$@" --array;; esac\n'
        script = f"{apart}real \"$@\" | grep -avP '{lines}'; exit 0" if pairs else ""
        with self.world.replacing(script, *programs):
            yield

    @contextmanager
    def _removed(self, stamps: Sequence[str]) -> Iterator[None]:
        jobs = self.world.slurm.jobs(self.world.prefix)
        handles = [handle for stamp in stamps for handle in jobs.get(stamp, ())]
        if handles:
            self.world.slurm.call("scancel", *handles)
        yield

    @contextmanager
    def _requeued(self, stamps: Sequence[str]) -> Iterator[None]:
        jobs = self.world.slurm.jobs(self.world.prefix)
        handles = [handle for stamp in stamps for handle in jobs.get(stamp, ())]
        for handle in handles:
            self.world.slurm.attempt("scontrol", "requeue", handle)
        yield
        for handle in handles:
            until(partial(self._goes_on, handle), "the requeued job to start")

    def _goes_on(self, handle: str) -> bool | None:
        """Return whether a requeued job runs; Slurm would delay it for two minutes."""
        call = self.world.slurm.call
        state = call("squeue", "-h", "-t", "all", "-o", "%T %r", "-j", handle).strip()
        if state == "PENDING BeginTime" and handle not in self.handles_in_a_hurry:
            self.handles_in_a_hurry.add(handle)
            call("scontrol", "update", f"JobId={handle}", "StartTime=now+3")
        waits = state.startswith(("PENDING", "REQUEUED", "CONFIGURING", "COMPLETING"))
        return None if waits else True

    @contextmanager
    def _never_starts(self, _: Sequence[str]) -> Iterator[None]:
        self.world.slurm.call("scontrol", "update", "PartitionName=main", "State=DOWN")
        try:
            yield
        finally:
            # The jobs that were accepted must go on waiting.
            for handles in self.world.slurm.jobs(self.world.prefix).values():
                for array in {handle.partition("_")[0] for handle in handles}:
                    self.world.slurm.attempt("scontrol", "hold", array)
            self.world.slurm.call("scontrol", "update", "PartitionName=main", "State=UP")


class TestSlurm(Conformance):
    @pytest.fixture
    def site(
        self, slurm_world: World, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> Site:
        monkeypatch.setattr(client, "LONGEST_LIST", 10_000)
        return SlurmSite(slurm_world)


class TestSlurmOverSsh(Submitting, Cancelling, Listings):
    @pytest.fixture
    def site(self, slurm_world_over_ssh: World) -> Site:
        return SlurmSite(slurm_world_over_ssh)


class TestSlurmWithoutAccounting(Lying):
    """Ends are only in the files of the pilots."""

    @pytest.fixture
    def site(self, forgetful_world: World) -> Site:
        return SlurmSite(forgetful_world)
