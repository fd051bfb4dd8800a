"""Compare the driver of slurm with Slurm's own programs: `python -m tests.bench.slurm`.

The driver submits a thousand pilots, and asks for their status while they wait and after their end.
In turn with it, the bare program does the same in bulk.
"""

import resource
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.testbeds import slurm
from worker.backends import registry
from worker.backends.contract import Means
from worker.backends.guard import Guard
from worker.db.database import Database
from worker.db.engine import parse_url
from worker.domain.ce import CE
from worker.domain.ce_answers import Job, Order
from worker.domain.pilot import FINAL, GROUP_LENGTH, numbered
from worker.services.operate.database import setup

MANY = 1000
TURNS = 20
AIM = 1.5
WAITING = "closed"
"""The partition in which nothing starts."""
RUNNING = "main"
SCRIPT = "#!/bin/sh\nexit 0\n"


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """The time of the driver and of the bare program, and the processor time that the driver took
    beyond that; medians, in ms."""

    what: str
    ours: float
    bare: float
    extra: float

    @property
    def ratio(self) -> float:
        """How many times as long the driver takes."""
        return self.ours / self.bare

    def __str__(self) -> str:
        verdict = "met" if self.ratio <= AIM else "MISSED"
        times = f"{self.ours:8.1f} {self.bare:8.1f} {self.ratio:6.2f} {self.extra:8.1f}"
        return f"{self.what:<32} {times}  <= {AIM}  {verdict}"


@dataclass(frozen=True)
class Bench:
    """A Slurm, and a driver for it."""

    cluster: slurm.Slurm
    driver: Guard

    def submission(self) -> Ratio:
        """Submit an array of a thousand."""
        words = ["sbatch", "--parsable", f"--partition={WAITING}", f"--array=0-{MANY - 1}"]
        words.append("--output=/dev/null")
        batches = [orders() for _ in range(TURNS)]
        return self._compare(
            "submission of 1,000",
            lambda: self.driver.submit(batches.pop()),
            lambda: self.cluster.call(*words, said=SCRIPT),
        )

    def status_of_waiting(self) -> Ratio:
        """Ask for a thousand that wait: Slurm keeps one record of them."""
        return self._status("1,000 that wait", self._send())

    def status_at_end(self) -> Ratio:
        """Ask for a thousand that have ended: Slurm keeps a record of each."""
        jobs = self._send()
        while not all(one.status in FINAL for one in self.driver.poll(jobs)):
            time.sleep(1)
        return self._status("1,000 that have ended", jobs)

    def _send(self) -> list[Job]:
        receipts = self.driver.submit(orders())
        return [Job(stamp=one.stamp, handle=str(one.handle)) for one in receipts]

    def _status(self, what: str, jobs: list[Job]) -> Ratio:
        assert len(self.driver.poll(jobs)) == MANY
        words = ["squeue", "--me", "-a", "-r", "-t", "all", "-o", "%i|%T|%r|%j|%S|%e"]
        return self._compare(
            f"status of {what}", lambda: self.driver.poll(jobs), lambda: self.cluster.call(*words)
        )

    def _compare(self, what: str, ours: Callable[[], object], bare: Callable[[], object]) -> Ratio:
        took: dict[str, list[tuple[float, float]]] = {"ours": [], "bare": []}
        for _ in range(TURNS):
            for name, work in (("ours", ours), ("bare", bare)):
                began, busy = time.perf_counter(), _processor_time()
                work()
                took[name].append((time.perf_counter() - began, _processor_time() - busy))
        (ours_s, ours_used), (bare_s, bare_used) = (
            [statistics.median(column) for column in zip(*times, strict=True)]
            for times in took.values()
        )
        return Ratio(
            what=what,
            ours=1000 * ours_s,
            bare=1000 * bare_s,
            extra=1000 * (ours_used - bare_used),
        )


def _processor_time() -> float:
    """Return the processor time of this process and its children."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in usages)


def orders() -> list[Order]:
    group = secrets.token_hex(GROUP_LENGTH // 2)
    return [Order(stamp=numbered(group, n), vo="atlas") for n in range(MANY)]


@contextmanager
def bench(folder: Path, partition: str) -> Iterator[Bench]:
    """Start a Slurm, and make a driver for it."""
    folder.mkdir(mode=0o755)
    backends = registry.discover()
    cluster = slurm.up(folder / "slurm", with_parent=True)
    database = Database(
        parse_url(f"sqlite:///{folder / 'bench.sqlite'}"),
        [backend.chain for backend in backends.values()],
    )
    try:
        setup(database)
        options = {
            "slurm_conf": str(cluster.configuration),
            "partition": partition,
            "command": SCRIPT,
        }
        ce = CE(name="bench", backend="slurm", capacity=MANY, options=options)
        means = Means(uow=database.uow, home=folder, now=lambda: datetime.now(UTC))
        driver = registry.connect(backends, ce, means)
        driver.hello()
        yield Bench(cluster, driver)
    finally:
        database.close()
        cluster.down()


def main() -> int:
    """Measure and print; the exit code is 0 if every aim is met."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        head = f"{'ours ms':>8} {'bare ms':>8} {'ratio':>6} {'extra ms':>8}"
        sys.stdout.write(f"{'':<32} {head}\n")
        # These come first, while Slurm has only this thousand.
        with bench(Path(folder) / "one", WAITING) as first:
            ratios = [first.status_of_waiting(), first.submission()]
        with bench(Path(folder) / "two", RUNNING) as second:
            ratios.append(second.status_at_end())
    for ratio in ratios:
        sys.stdout.write(f"{ratio}\n")
    return 0 if all(ratio.ratio <= AIM for ratio in ratios) else 1


if __name__ == "__main__":
    sys.exit(main())
