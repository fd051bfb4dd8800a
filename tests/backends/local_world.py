"""A CE of the back-end local for one test, and what the tests want to know of its processes."""

import fcntl
import json
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from tests.patience import until
from worker.backends import registry
from worker.backends.contract import Means
from worker.backends.guard import Guard
from worker.backends.local.keeper.files import LAUNCH
from worker.backends.local.keeper.process import start_ticks
from worker.backends.local.memory import safe_name
from worker.backends.local.processes import _has_stamp, _stamp_of, send
from worker.db.uow import UnitOfWork
from worker.domain.ce import CE
from worker.domain.ce_answers import Job, Observed, Order
from worker.domain.pilot import FINAL, Status

Value = TypeVar("Value")
FOREVER = "exec sleep 1000"


@dataclass
class World:
    """One CE, its state folder, its database."""

    home: Path
    uow: UnitOfWork
    ce: str = "host/one"
    now: datetime | None = None

    @property
    def place(self) -> Path:
        return self.home / "local" / safe_name(self.ce)

    def connect(self, **options: Any) -> Guard:
        """Make a driver, as a worker that has just started does."""
        options.setdefault("command", FOREVER)
        ce = CE(name=self.ce, backend="local", capacity=1000, options=options)
        means = Means(uow=self.uow, home=self.home, now=lambda: self.now or datetime.now(UTC))
        return registry.connect(registry.discover(), ce, means)

    def send(self, count: int = 1, **options: Any) -> list[Job]:
        """Start pilots."""
        receipts = self.connect(**options).submit(orders(count))
        return [Job(stamp=one.stamp, handle=str(one.handle)) for one in receipts]

    def run(self, command: str | Sequence[str], **options: Any) -> tuple[Observed, str]:
        """Run one pilot to its end; how it ended and what it wrote."""
        [job] = self.send(command=command, **options)
        return self.until_final(job), self.connect().output(job).text

    def look(self, job: Job) -> Observed:
        return self.connect().poll([job])[0]

    def until_status(self, job: Job, *wanted: Status) -> Observed:
        def looked() -> Observed | None:
            seen = driver.poll([job])[0]
            return seen if seen.status in wanted else None

        driver = self.connect()
        return until(looked, f"{' or '.join(wanted)}")

    def until_final(self, job: Job) -> Observed:
        return self.until_status(job, *FINAL)

    def until_written(self, job: Job, text: str = "ready") -> None:
        driver = self.connect()
        until(lambda: text in driver.output(job).text, f"{text!r} in the output")

    def record(self, job: Job) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.place / job.stamp / "launch.json").read_text())
        return found

    def change_record(self, job: Job, **changes: Any) -> None:
        """Change what a keeper wrote down; the file, and so its lock, stays the same."""
        changed = {**self.record(job), **changes}
        (self.place / job.stamp / "launch.json").write_text(json.dumps(changed))

    def keeper(self, job: Job) -> int:
        return int(self.record(job)["pid"])

    def kill_keeper(self, job: Job) -> None:
        pid = self.keeper(job)
        os.kill(pid, signal.SIGKILL)
        until(lambda: start_ticks(pid) is None, "the keeper to be gone")
        # A pilot that it was about to start holds its lock until it is the pilot's program.
        until(lambda: self._is_free(job), "the lock of the keeper to be free")

    def _is_free(self, job: Job) -> bool:
        with (self.place / job.stamp / LAUNCH).open() as launch:
            try:
                fcntl.flock(launch, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

    def stamps(self) -> set[str]:
        """List the stamps of all folders, of other CEs too."""
        return {path.name for path in self.place.parent.glob("*/" + "[0-9a-f]" * 32)}

    def end(self) -> None:
        """Kill every process of this world, and no other; wait until all are gone."""
        until(lambda: not self._kill_all(), "every process to be gone")

    def _kill_all(self) -> bool:
        left = False
        for path in self.place.parent.glob("*/*/launch.json"):
            with suppress(ValueError, TypeError, KeyError):
                record = json.loads(path.read_text())
                left |= self._kill_recorded(record["pid"], record["start_ticks"])
        stamps = self.stamps()
        for pid, stamp in stamped_processes():
            if stamp in stamps:
                left |= send(pid, signal.SIGKILL, partial(_has_stamp, pid, stamp))
        return left

    def _kill_recorded(self, pid: int, ticks: int) -> bool:
        return send(pid, signal.SIGKILL, lambda: start_ticks(pid) == ticks)


def orders(count: int = 1) -> list[Order]:
    return [Order(stamp=uuid4().hex, vo="lhcb") for _ in range(count)]


def processes_of(stamp: str) -> list[int]:
    """List the processes that carry a stamp in their environment."""
    return [pid for pid, carried in stamped_processes() if carried == stamp]


def stamped_processes() -> list[tuple[int, str]]:
    """List all processes with a stamp."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [(pid, stamp) for pid in pids if (stamp := _stamp_of(pid)) is not None]


def names(folder: Path) -> set[str]:
    """List what lies in a folder; nothing in one that is not there."""
    return {entry.name for entry in folder.iterdir()} if folder.exists() else set()
