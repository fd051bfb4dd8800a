"""What the folder of a pilot tells.

The questions are asked in this order, and each later one only if the earlier ones have no answer:

1. `exit` is there: the pilot ended, as it says.
2. There is no folder: it was never started, and no launcher is left that could.
3. The lock is held: its keeper lives.
4. `exit` is there now: the keeper wrote it between the first question and the third.
5. The keeper's pid, start time and boot are those of a living process: it lives, and the file
   system forgot its lock.
6. The keeper is dead and left no `exit`. Nobody will start or watch this pilot any more. We
   asked for its end; or the host was booted since; or the pilot was never begun; or the keeper
   was killed: then the pilot runs until what is left of it was killed.
"""

import fcntl
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from signal import SIGTERM
from typing import Any

from worker.backends.local.keeper.files import CANCEL, EXIT, LAUNCH, OUTPUT, write_whole
from worker.backends.local.keeper.process import boot_id
from worker.backends.local.processes import Remains, is_alive, send
from worker.backends.local.states import observed_end
from worker.domain.ce_answers import Observed
from worker.domain.pilot import FINAL, Status

ORPHANED = "ending"
"""The word for a pilot whose keeper is gone, and of which something is left."""


@dataclass(frozen=True, kw_only=True)
class Launch:
    """Who keeps a pilot, as the keeper itself wrote it down."""

    pid: int
    start_ticks: int
    boot_id: str
    accepted_at: datetime

    def is_alive(self) -> bool:
        """Return whether the keeper lives."""
        return is_alive(self.pid, self.start_ticks, self.boot_id)


@dataclass(frozen=True)
class Folder:
    """The folder of one pilot; its name is the stamp, and the stamp is its handle."""

    path: Path

    @property
    def stamp(self) -> str:
        """The stamp."""
        return self.path.name

    def look(self, remains: Remains) -> Observed:
        """Return how the pilot is."""
        end = self._end()
        if end is not None:
            return observed_end(self.stamp, end)
        try:
            launched = os.open(self.path / LAUNCH, os.O_RDONLY)
        except (FileNotFoundError, NotADirectoryError):
            return self._without_record(remains)
        try:
            launch = _read_launch(launched)
            if _is_locked(launched):
                return self._alive(launch)
        finally:
            os.close(launched)
        end = self._end()
        if end is not None:
            return observed_end(self.stamp, end)
        if launch is not None and launch.is_alive():
            return self._alive(launch)
        return self._dead(launch, remains)

    def tidy(self, remains: Remains) -> bool:
        """Kill what a keeper that is gone has left, then write the end down; return whether it is.

        So the next one to ask need not find out again.
        """
        seen = self.look(remains)
        if seen.raw == ORPHANED:
            remains.kill(self.stamp)
        elif seen.status in FINAL and self._end() is None:
            with suppress(OSError):
                write_whole(self.path / EXIT, {"code": None, "why": seen.raw})
        return seen.status in FINAL

    def cancel(self, remains: Remains) -> str | None:
        """Ask the pilot to end; say why that cannot be, or `None`. Its keeper does the waiting."""
        if self._end() is not None:
            return None
        try:
            (self.path / CANCEL).touch(mode=0o600)
            launch = _read_file(self.path / LAUNCH)
        except (FileNotFoundError, NotADirectoryError):
            return "there is no such process here" if not self.path.is_dir() else None
        if launch is None or not send(launch.pid, SIGTERM, launch.is_alive):
            remains.kill(self.stamp)
        return None

    def _alive(self, launch: Launch | None) -> Observed:
        begun = (self.path / OUTPUT).exists()
        return Observed(
            stamp=self.stamp,
            handle=self.stamp,
            status=Status.RUNNING if begun else Status.SUBMITTED,
            raw="running" if begun else "starting",
            reason=f"pid {launch.pid}" if launch else None,
            started_at=launch.accepted_at if launch and begun else None,
        )

    def _without_record(self, remains: Remains) -> Observed:
        if self.path.is_dir():
            return self._dead(None, remains)
        return Observed(stamp=self.stamp, handle=self.stamp, absent=True)

    def _dead(self, launch: Launch | None, remains: Remains) -> Observed:
        # A folder is made whole; one without a record has lost it in a crash of the host.
        rebooted = launch is None or launch.boot_id != boot_id()
        if (launch is None or not rebooted) and remains.of(self.stamp):
            return Observed(
                stamp=self.stamp,
                handle=self.stamp,
                status=Status.RUNNING,
                raw=ORPHANED,
                reason="its keeper was killed; what is left of it will be killed too",
            )
        return observed_end(self.stamp, {"code": None, "why": self._why(rebooted=rebooted)})

    def _why(self, *, rebooted: bool) -> str:
        if (self.path / CANCEL).exists():
            return "cancelled"
        if rebooted:
            return "rebooted"
        return "killed" if (self.path / OUTPUT).exists() else "never_started"

    def _end(self) -> dict[str, Any] | None:
        try:
            found = json.loads((self.path / EXIT).read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ValueError:
            found = None
        return found if isinstance(found, dict) else {"why": "unreadable"}


def _read_file(path: Path) -> Launch | None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return _read_launch(descriptor)
    finally:
        os.close(descriptor)


def _read_launch(descriptor: int) -> Launch | None:
    """Read a record; `None` if it cannot be read."""
    try:
        found = json.loads(os.read(descriptor, 1 << 16))
        return Launch(
            pid=int(found["pid"]),
            start_ticks=int(found["start_ticks"]),
            boot_id=str(found["boot_id"]),
            accepted_at=datetime.fromisoformat(found["accepted_at"]),
        )
    except (ValueError, TypeError, KeyError):
        return None


def _is_locked(descriptor: int) -> bool:
    """Return whether a keeper holds the lock. Asking with a shared lock, nobody blocks another."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
