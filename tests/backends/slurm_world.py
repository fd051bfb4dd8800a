"""A CE of a real Slurm for one test, and programs of Slurm that a test can replace."""

import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from tests import patience
from tests.testbeds.packages import program
from tests.testbeds.slurm import Slurm
from tests.testbeds.ssh import LoginNode
from worker.backends import registry
from worker.backends.contract import Means
from worker.backends.guard import Guard
from worker.db.uow import UnitOfWork
from worker.domain.ce import CE
from worker.domain.ce_answers import Job, Observed, Order
from worker.domain.credential import CredentialKind
from worker.domain.errors import CredentialProblem
from worker.domain.pilot import FINAL, GROUP_LENGTH, GROUP_SIZE, Status, numbered

Value = TypeVar("Value")
FOREVER = "exec sleep 1000"
PROGRAMS = ("sbatch", "squeue", "sacct", "scancel", "scontrol")

SHIM = """\
#!/bin/sh
# Stands before the real program: what lies in the folder spoils what it does.
spoilt="{folder}/spoilt/{name}"
real() {{ {real} "$@"; }}
[ -f "$spoilt" ] && . "$spoilt"
real "$@"
"""


@dataclass
class World:
    """One CE, its state folder, its database, and its own prefix for the names of jobs."""

    slurm: Slurm
    uow: UnitOfWork
    login: LoginNode | None = None
    ce: str = "hpc/one"
    prefix: str = field(default_factory=lambda: f"t{secrets.token_hex(4)}")
    options: dict[str, Any] = field(default_factory=dict)
    now: datetime | None = None
    keys: dict[str, Path | CredentialProblem] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """A folder that other users can enter; its path has a space, which must do no harm."""
        return self.slurm.kept.folder / f"world of {self.prefix}"

    def __post_init__(self) -> None:
        (self.folder / "spoilt").mkdir(parents=True)
        (self.folder / "programs").mkdir()
        # Over SSH the files belong to another user.
        (self.folder / "kept by pilots").mkdir()
        (self.folder / "kept by pilots").chmod(0o777)
        for name in PROGRAMS:
            path = self.folder / "programs" / name
            path.write_text(SHIM.format(folder=self.folder, name=name, real=program(name)))
            path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
        self.options = {
            "slurm_conf": str(self.slurm.configuration),
            "programs": str(self.folder / "programs"),
            "output_folder": str(self.folder / "kept by pilots"),
            "command": FOREVER,
            **(self.login.options if self.login else {}),
            **self.options,
        }

    def connect(self, **options: Any) -> Guard:
        """Return a driver, as a worker has it after its start."""
        ce = CE(name=self.ce, backend="slurm", capacity=1000, options={**self.options, **options})
        means = Means(
            uow=self.uow,
            home=self.folder / "home",
            now=lambda: self.now or datetime.now(UTC),
            prefix=self.prefix,
            credentials=lambda kind: self.keys if kind is CredentialKind.KEY else {},
        )
        return registry.connect(registry.discover(), ce, means)

    def neighbour(self, ce: str) -> "World":
        """Return another CE at the same cluster, with the same folders and options."""
        other = copy(self)
        other.ce = ce
        return other

    def send(self, count: int = 1, **options: Any) -> list[Job]:
        """Send pilots of one group; return their jobs in the order of their numbers."""
        receipts = self.connect(**options).submit(orders(count))
        receipts.sort(key=lambda one: one.stamp)
        return [Job(stamp=one.stamp, handle=str(one.handle)) for one in receipts]

    def look(self, job: Job) -> Observed:
        return self.connect().poll([job])[0]

    def until_status(self, job: Job, *statuses: Status) -> Observed:
        def look() -> Observed | None:
            for observation in driver.poll([job]):
                if observation.status in statuses:
                    return observation
            return None

        driver = self.connect()
        return until(look, f"{' or '.join(statuses)}")

    def until_final(self, job: Job) -> Observed:
        return self.until_status(job, *FINAL)

    @contextmanager
    def replacing(self, script: str, *programs: str) -> Iterator[None]:
        """Replace programs by a script while the block runs; `real "$@"` calls the original."""
        paths = [self.folder / "spoilt" / name for name in programs or PROGRAMS]
        for path in paths:
            path.with_suffix(".new").write_text(script)
            path.with_suffix(".new").rename(path)
        yield
        for path in paths:
            path.unlink()

    def end(self) -> None:
        """Cancel every job of this world."""
        live = [handle for handles in self.slurm.jobs(self.prefix).values() for handle in handles]
        arrays = sorted({handle.partition("_")[0] for handle in live})
        if arrays:
            self.slurm.call("scancel", *arrays)
        shutil.rmtree(self.folder, ignore_errors=True)


def orders(count: int = 1, vo: str = "lhcb", **more: Any) -> list[Order]:
    """Return orders in groups, as a reservation makes them."""
    groups = [secrets.token_hex(GROUP_LENGTH // 2) for _ in range(0, count, GROUP_SIZE)]
    stamps = [numbered(groups[n // GROUP_SIZE], n % GROUP_SIZE) for n in range(count)]
    return [Order(stamp=stamp, vo=vo, **more) for stamp in stamps]


def in_groups(sizes: Sequence[int], vo: str = "lhcb") -> list[Order]:
    """Return orders of several groups."""
    return [order for size in sizes for order in orders(size, vo)]


def until(look: Callable[[], Value | None], what: str) -> Value:
    """Wait for a value, with pauses that leave the controller time for other work."""
    return patience.until(look, what, pause=0.05)
