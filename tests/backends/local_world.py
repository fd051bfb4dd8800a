"""A CE of the back-end local for one test, and queries about its processes."""

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
    """One CE, its state folder and its database."""

    home: Path
    uow: UnitOfWork
    ce: str = "host/one"
    now: datetime | None = None

    @property
    def place(self) -> Path:
        return self.home / "local" / safe_name(self.ce)

    def connect(self, **options: Any) -> Guard:
        """Return a driver, as a worker has it after its start."""
        options.setdefault("command", FOREVER)
        ce = CE(name=self.ce, backend="local", capacity=1000, options=options)
        means = Means(uow=self.uow, home=self.home, now=lambda: self.now or datetime.now(UTC))
        return registry.connect(registry.discover(), ce, means)

    def send(self, count: int = 1, **options: Any) -> list[Job]:
        """Start pilots."""
        receipts = self.connect(**options).submit(orders(count))
        return [Job(stamp=one.stamp, handle=str(one.handle)) for one in receipts]

    def run(self, command: str | Sequence[str], **options: Any) -> tuple[Observed, str]:
        """Run one pilot to its end; return its observation and its output."""
        [job] = self.send(command=command, **options)
        return self.until_final(job), self.connect().output(job).text

    def look(self, job: Job) -> Observed:
        return self.connect().poll([job])[0]

    def until_status(self, job: Job, *statuses: Status) -> Observed:
        def look() -> Observed | None:
            observation = driver.poll([job])[0]
            return observation if observation.status in statuses else None

        driver = self.connect()
        return until(look, f"{' or '.join(statuses)}")

    def until_final(self, job: Job) -> Observed:
        return self.until_status(job, *FINAL)

    def until_written(self, job: Job, text: str = "ready") -> None:
        driver = self.connect()
        until(lambda: text in driver.output(job).text, f"{text!r} in the output")

    def record(self, job: Job) -> dict[str, Any]:
        values: dict[str, Any] = json.loads((self.place / job.stamp / "launch.json").read_text())
        return values

    def change_record(self, job: Job, **changes: Any) -> None:
        """Change the record of a keeper; the file and so its lock stay the same."""
        record = {**self.record(job), **changes}
        (self.place / job.stamp / "launch.json").write_text(json.dumps(record))

    def keeper(self, job: Job) -> int:
        return int(self.record(job)["pid"])

    def kill_keeper(self, job: Job) -> None:
        pid = self.keeper(job)
        os.kill(pid, signal.SIGKILL)
        until(lambda: start_ticks(pid) is None, "the end of the keeper")
        # A pilot that the keeper just starts holds its lock until it executes the program.
        until(lambda: self._is_free(job), "the release of the keeper's lock")

    def _is_free(self, job: Job) -> bool:
        with (self.place / job.stamp / LAUNCH).open() as launch:
            try:
                fcntl.flock(launch, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

    def stamps(self) -> set[str]:
        """Return the stamps of all folders, also of other CEs."""
        return {path.name for path in self.place.parent.glob("*/" + "[0-9a-f]" * 32)}

    def end(self) -> None:
        """Kill the processes of this world and no other; wait until all have ended."""
        until(lambda: not self._kill_all(), "the end of all processes")

    def _kill_all(self) -> bool:
        has_killed = False
        for path in self.place.parent.glob("*/*/launch.json"):
            with suppress(ValueError, TypeError, KeyError):
                record = json.loads(path.read_text())
                has_killed |= self._kill_recorded(record["pid"], record["start_ticks"])
        stamps = self.stamps()
        for pid, stamp in stamped_processes():
            if stamp in stamps:
                has_killed |= send(pid, signal.SIGKILL, partial(_has_stamp, pid, stamp))
        return has_killed

    def _kill_recorded(self, pid: int, ticks: int) -> bool:
        return send(pid, signal.SIGKILL, lambda: start_ticks(pid) == ticks)


def orders(count: int = 1) -> list[Order]:
    return [Order(stamp=uuid4().hex, vo="lhcb") for _ in range(count)]


def processes_of(stamp: str) -> list[int]:
    """Return the processes with this stamp in their environment."""
    return [pid for pid, other in stamped_processes() if other == stamp]


def stamped_processes() -> list[tuple[int, str]]:
    """Return all processes that have a stamp, with it."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [(pid, stamp) for pid in pids if (stamp := _stamp_of(pid)) is not None]


def names(folder: Path) -> set[str]:
    """Return the names in a folder; none if there is no folder."""
    return {entry.name for entry in folder.iterdir()} if folder.exists() else set()
