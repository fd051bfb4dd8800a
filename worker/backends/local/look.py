"""What the folder of a pilot tells.

A pilot can write into its own folder. So the keeper's lock, which only the kernel can give away,
is asked for before the record of the end. The questions are asked in this order, and each later
one only if the earlier ones have no answer:

1. There is no folder: it was never started, and no launcher is left that could.
2. The lock is held: its keeper lives, and the pilot runs, whatever is written down.
3. `exit` is there: the pilot ended, as it says. If something of it is left, it runs until that was
   killed: it may have written its end itself, and then killed its keeper.
4. The keeper's pid, start time and boot are those of a living process: it lives, and the file
   system forgot its lock.
5. The keeper is dead and left no `exit`. Nobody will start or watch this pilot any more. We
   asked for its end; or the host was booted since; or the pilot was never begun; or the keeper
   was killed: then the pilot runs until what is left of it was killed.

Without the keeper's own record there is no lock to ask for: what is left of the pilot counts.
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
"""The word for a pilot whose keeper is gone, and of which something is left."""


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
        """Kill what a keeper that is gone has left, then write the end down; return whether it is.

        So the next one to ask need not find out again.
        """
        answer = self.look(remains)
        if answer.raw == ORPHANED or answer.status in FINAL:
            # Who killed its keeper may have written its end down, too.
            remains.kill(self.stamp)
        if answer.status in FINAL and self._end() is None:
            with suppress(OSError):
                write_whole(self.path / EXIT, {"code": None, "why": answer.raw})
        return answer.status in FINAL

    def cancel(self, remains: Remains) -> str | None:
        """Ask the pilot to end; say why that cannot be, or `None`. Its keeper does the waiting."""
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
                raise  # the pilot did not make it so

    def _open_launch(self) -> int | None:
        """Open the record of the keeper, which is locked while the keeper lives."""
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
        # A folder is made whole; one without a record has lost it in a crash of the host.
        rebooted = launch is None or launch.boot_id != boot_id()
        if (launch is None or not rebooted) and remains.of(self.stamp):
            return self._orphaned()
        return self._over({"code": None, "why": self._why(rebooted=rebooted)}, launch)

    def _over(self, end: dict[str, Any], launch: Launch | None) -> Observed:
        """Return how it ended; one that has an output has begun, whatever its end says."""
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
            reason="its keeper is gone; what is left of it will be killed",
        )

    def _why(self, *, rebooted: bool) -> str:
        if (self.path / CANCEL).exists():
            return "cancelled"
        if rebooted:
            return "rebooted"
        return "killed" if (self.path / OUTPUT).exists() else "never_started"

    def _end(self) -> dict[str, Any] | None:
        return read_end(self.path / EXIT)
