"""Signals to processes of pilots, and to nobody else: a pid may by now be another process's."""

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
"""Looks at a process that begins a program, and seconds between two of them."""
CODE, ENVIRONMENT = 26 - 4, slice(50 - 4, 51 - 3)
"""Where the program begins, and its environment begins and ends, as `/proc/PID/stat` counts its
fields; the first three are no numbers. The kernel says the first of these last."""


def try_lock(descriptor: int, kind: int) -> bool:
    """Lock a file, if no lock that is held forbids it; return whether it is locked now.

    With a shared lock, those who only ask do not block each other.
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
    """Signal a process if it is the one that is meant; return whether it was there."""
    handle = None
    try:
        # What this refers to stays the same process, whatever becomes of the pid.
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
        return None  # a kernel older than 5.3: between the look and the signal lies a moment


class Remains:
    """The processes of pilots whose keeper is gone, known by the stamp in their environment.

    All processes are looked through once, and only when somebody asks.
    """

    def of(self, stamp: str) -> list[int]:
        """Return the processes that are left of a pilot."""
        return [pid for pid in self._by_stamp.get(stamp, ()) if _stamp_of(pid) == stamp]

    def kill(self, stamp: str) -> None:
        """Kill what is left of a pilot."""
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
    """Read the stamp in a process's environment; one that has ended has none."""
    environment = _environment_of(pid)
    prefix = f"{STAMP_VARIABLE}=".encode()
    for variable in environment.split(b"\0"):
        if variable.startswith(prefix):
            return variable.removeprefix(prefix).decode(errors="replace")
    return None


def _environment_of(pid: int) -> bytes:
    """Read the environment of a process; empty if it has none, or has ended.

    While a process begins another program, it has no environment for a moment, or only the first
    part of the old one can be read. A process that does so again and again would hide.
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
    """Return how long the environment of a process is; `None` while its program is being loaded."""
    # What has ended, and a thread of the kernel, has no program: that is an OSError.
    (process / "exe").readlink()
    _, _, numbers = (process / "stat").read_text(errors="replace").rpartition(")")
    values = [int(number) for number in numbers.split()[1:]]
    begin, end = values[ENVIRONMENT]
    return end - begin if values[CODE] else None
