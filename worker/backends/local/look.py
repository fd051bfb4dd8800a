"""The state of a pilot, as its folder shows it.

A pilot can write into its own folder. So the keeper's lock, which only the kernel grants, is
checked before the record of the end. The checks are made in this order; each later check is made
only if the earlier ones decide nothing:

1. There is no folder: the pilot was never started, and no launcher is left that could start it.
2. The lock is held: the keeper lives, and the pilot runs, whatever is recorded.
3. There is a file `exit`: the pilot ended as the file says. If processes of the pilot are left, the
   pilot counts as running until they are killed: it may have written `exit` itself and then killed
   its keeper.
4. The keeper's pid, start time and boot are those of a living process: the keeper lives, and the
   file system has lost its lock.
5. The keeper is dead and left no `exit`. Nothing will start or watch this pilot any more. Either
   we asked for its end; or the host was booted since; or the pilot was never started; or the
   keeper was killed. Where processes of the pilot are left, it counts as running until they are
   killed.

Without the keeper's record there is no lock to check: processes that are left of the pilot count.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from errno import ENOTDIR
from fcntl import LOCK_SH
from pathlib import Path
from signal import SIGTERM
from typing import Any

from worker.backends.local.keeper.files import CANCEL, EXIT, LAUNCH, OUTPUT, write_whole
from worker.backends.local.keeper.process import boot_id
from worker.backends.local.processes import Remains, send, try_lock
from worker.backends.local.records import Launch, read_end, read_launch
from worker.backends.local.states import observed_end
from worker.backends.outputs import ODD, make_plain, open_plain
from worker.domain.ce_answers import Observed
from worker.domain.pilot import FINAL, Status

ORPHANED = "ending"
"""The word for a pilot whose keeper is gone and of which processes are left."""


@dataclass(frozen=True)
class Folder:
    """The folder of one pilot; its name is the stamp, which is also the handle."""

    path: Path

    @property
    def stamp(self) -> str:
        return self.path.name

    def look(self, remains: Remains) -> Observed:
        """Return the state of the pilot."""
        record = self._open_launch()
        if record is None:
            return self._without_record(remains)
        try:
            launch = read_launch(record)
            if not try_lock(record, LOCK_SH):
                return self._alive(launch)
        finally:
            os.close(record)
        end = self._end()
        if end is not None:
            return self._orphaned() if remains.of(self.stamp) else self._over(end, launch)
        if launch is not None and launch.is_alive():
            return self._alive(launch)
        return self._dead(launch, remains)

    def tidy(self, remains: Remains) -> bool:
        """Kill processes that a lost keeper has left, then record the end of the pilot.

        Return whether the pilot has ended. With the record, the next call need not find out again.
        """
        answer = self.look(remains)
        if answer.raw == ORPHANED or answer.status in FINAL:
            # A pilot that killed its keeper may have written the record of its end, too.
            remains.kill(self.stamp)
        if answer.status in FINAL and self._end() is None:
            with suppress(OSError):
                write_whole(self.path / EXIT, {"code": None, "why": answer.raw})
        return answer.status in FINAL

    def cancel(self, remains: Remains) -> str | None:
        """Ask the pilot to end; return why that is impossible, or `None`.

        The keeper waits for the end; this call does not.
        """
        record = self._open_launch()
        try:
            is_over = record is not None and try_lock(record, LOCK_SH)
            if is_over and self._end() is not None:
                return None
            if not self.path.is_dir():
                return "there is no such process here"
            self._note_cancellation()
            launch = None if record is None else read_launch(record)
        finally:
            if record is not None:
                os.close(record)
        if launch is None or not send(launch.pid, SIGTERM, launch.is_alive):
            remains.kill(self.stamp)
        return None

    def _note_cancellation(self) -> None:
        try:
            make_plain(self.path / CANCEL)
        except OSError as error:
            if error.errno not in ODD | {ENOTDIR}:
                raise  # not an error that the pilot can cause by what it puts there

    def _open_launch(self) -> int | None:
        """Open the keeper's record, which is locked while the keeper lives."""
        with suppress(FileNotFoundError, NotADirectoryError):
            return open_plain(self.path / LAUNCH)
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
        if not self.path.is_dir():
            return Observed(stamp=self.stamp, handle=self.stamp, absent=True)
        end = None if remains.of(self.stamp) else self._end()
        return self._dead(None, remains) if end is None else observed_end(self.stamp, end)

    def _dead(self, launch: Launch | None, remains: Remains) -> Observed:
        # A folder is made with its record: without one, it lost the record in a crash of the host.
        rebooted = launch is None or launch.boot_id != boot_id()
        if (launch is None or not rebooted) and remains.of(self.stamp):
            return self._orphaned()
        return self._over({"code": None, "why": self._why(rebooted=rebooted)}, launch)

    def _over(self, end: dict[str, Any], launch: Launch | None) -> Observed:
        """Return how the pilot ended. With an output file it has started, whatever `exit` says."""
        answer = observed_end(self.stamp, end)
        if answer.started_at is None and launch is not None and (self.path / OUTPUT).exists():
            return answer._replace(started_at=launch.accepted_at)
        return answer

    def _orphaned(self) -> Observed:
        return Observed(
            stamp=self.stamp,
            handle=self.stamp,
            status=Status.RUNNING,
            raw=ORPHANED,
            reason="its keeper is gone; its remaining processes will be killed",
        )

    def _why(self, *, rebooted: bool) -> str:
        if (self.path / CANCEL).exists():
            return "cancelled"
        if rebooted:
            return "rebooted"
        return "killed" if (self.path / OUTPUT).exists() else "never_started"

    def _end(self) -> dict[str, Any] | None:
        return read_end(self.path / EXIT)
