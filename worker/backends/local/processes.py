"""Signals to processes of pilots, and to no others: a pid may have been reused meanwhile."""

import fcntl
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from errno import ENOSYS
from functools import cached_property, partial
from pathlib import Path

from worker.backends.local.keeper.process import boot_id, start_ticks

STAMP_VARIABLE = "PILOTAGE_STAMP"
LOOKS = 500
BETWEEN_LOOKS = 0.001
"""How often a process is read that is just starting a program, and the seconds between reads."""
CODE, ENVIRONMENT = 26 - 4, slice(50 - 4, 51 - 3)
"""Fields of `/proc/PID/stat`, counted from the fourth one, the first number after the name: the
start of the program's code, and the start and the end of its environment. While a program is being
loaded, the kernel sets the start of the code last."""


def try_lock(descriptor: int, kind: int) -> bool:
    """Lock a file without waiting; return whether that succeeded.

    Callers that only check use a shared lock, so that they do not block each other.
    """
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_alive(pid: int, ticks: int, boot: str) -> bool:
    """Return whether the process that had this pid, start time and boot still runs."""
    return boot == boot_id() and start_ticks(pid) == ticks


def send(pid: int, number: signal.Signals, is_it: Callable[[], bool]) -> bool:
    """Signal a process if `is_it` confirms that it is the right one; return whether it was."""
    handle = None
    try:
        # The handle refers to the same process even if the pid is reused.
        handle = _hold(pid)
        if not is_it():
            return False
        if handle is None:
            os.kill(pid, number)
        else:
            signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        if handle is not None:
            os.close(handle)
    return True


def _hold(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except OSError as error:
        if error.errno != ENOSYS:
            raise
        return None  # a kernel before 5.3: the pid might be reused between check and signal


class Remains:
    """The processes of pilots whose keeper is gone, found by the stamp in their environment.

    All processes of the host are read once, and only if a method is called.
    """

    def of(self, stamp: str) -> list[int]:
        """Return the processes that are left of a pilot."""
        return [pid for pid in self._by_stamp.get(stamp, ()) if _stamp_of(pid) == stamp]

    def kill(self, stamp: str) -> None:
        """Kill the processes that are left of a pilot."""
        for pid in self._by_stamp.get(stamp, ()):
            with suppress(PermissionError):
                send(pid, signal.SIGKILL, partial(_has_stamp, pid, stamp))

    @cached_property
    def _by_stamp(self) -> dict[str, list[int]]:
        processes: dict[str, list[int]] = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            stamp = _stamp_of(int(entry.name))
            if stamp is not None:
                processes.setdefault(stamp, []).append(int(entry.name))
        return processes


def _has_stamp(pid: int, stamp: str) -> bool:
    return _stamp_of(pid) == stamp


def _stamp_of(pid: int) -> str | None:
    """Return the stamp in a process's environment; `None` if there is none, or it has ended."""
    environment = _environment_of(pid)
    prefix = f"{STAMP_VARIABLE}=".encode()
    for variable in environment.split(b"\0"):
        if variable.startswith(prefix):
            return variable.removeprefix(prefix).decode(errors="replace")
    return None


def _environment_of(pid: int) -> bytes:
    """Return the environment of a process; empty if it has none, or has ended.

    While a process starts another program, it has no environment for a moment, or only the first
    part of the old one can be read. So the read is repeated: otherwise a process could hide by
    starting programs again and again.
    """
    process = Path(f"/proc/{pid}")
    with suppress(OSError):
        for _ in range(LOOKS):
            environment = (process / "environ").read_bytes()
            if len(environment) == _length_of_environment(process):
                return environment
            time.sleep(BETWEEN_LOOKS)
    return b""


def _length_of_environment(process: Path) -> int | None:
    """Return the length of a process's environment; `None` while its program is being loaded."""
    # An ended process and a kernel thread have no program: `readlink` raises an `OSError`.
    (process / "exe").readlink()
    _, _, numbers = (process / "stat").read_text(errors="replace").rpartition(")")
    values = [int(number) for number in numbers.split()[1:]]
    begin, end = values[ENVIRONMENT]
    return end - begin if values[CODE] else None
