"""The processes of `pilotage up`: two workers, a beat and a server, each in a session of its own.

One worker takes only the queue `plan`, the other only `call`, so that a slow CE does not delay
allocations. A child that ends is started again, after a longer time with each end. If the parent
dies in any way, the kernel sends the children a signal to stop.
"""

import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO

from worker.domain.errors import AlreadyUp
from worker.services import log_files, private_files

CELERY = (sys.executable, "-P", "-m", "pilotage.celery", "-A", "pilotage")
"""Celery's command. With `-P`, modules in the working directory are not imported."""

WORKER = ("worker", "--loglevel", "INFO", "--without-gossip", "--without-mingle")
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "plan": (*CELERY, *WORKER, "-Q", "plan", "--pool", "solo", "-n", "plan@%h"),
    "call": (*CELERY, *WORKER, "-Q", "call", "--concurrency", "4", "-n", "call@%h"),
    "beat": (*CELERY, "beat", "--loglevel", "INFO", "--pidfile="),
    "web": (sys.executable, "-P", "-m", "pilotage.web"),
}
STOPS = ((signal.SIGTERM, 3.0), (signal.SIGQUIT, 2.0), (signal.SIGKILL, 5.0))
"""The signals that stop the children, one after the other, and how long to wait after each."""
LONGEST = sum(patience for _, patience in STOPS)

PR_SET_PDEATHSIG = 1


class Children:
    """Starts the children, keeps them running, and stops them."""

    def __init__(self, logs: Path, log_size: int) -> None:
        self._logs = logs
        self._log_size = log_size
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._started: dict[str, float] = {}
        self._ends: dict[str, list[float]] = {name: [] for name in COMMANDS}
        self._problems: dict[str, str] = {}

    def __enter__(self) -> "Children":
        private_files.make_folder(self._logs)
        for name in COMMANDS:
            self._start(name)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def revive(self) -> list[str]:
        """Start children that have ended again; return a sentence for each end and each start."""
        events = []
        for name, child in list(self._running.items()):
            if child.poll() is None:
                continue
            ends = self._ends[name]
            why = _reason(child.returncode)
            if not ends or ends[-1] < self._started[name]:
                ends.append(time.monotonic())
                events.append(f"{name} ended, {why}; its log: {self._log(name)}")
            recent = [end for end in ends if end > time.monotonic() - 60]
            if time.monotonic() - ends[-1] >= min(30.0, 0.5 * 2 ** (len(recent) - 1)):
                events += self._start_again(name, why)
        return events

    def _start_again(self, name: str, why: str) -> list[str]:
        """Start a child that has ended; a failure is said once, and ends no other child."""
        try:
            self._start(name)
        except (OSError, subprocess.SubprocessError) as error:
            cause = getattr(error, "strerror", None) or str(error)
            problem = f"{name} cannot be started: {cause}; it is tried again"
            if self._problems.get(name) == problem:
                return []
            self._problems[name] = problem
            return [problem]
        self._problems.pop(name, None)
        return [f"{name} was started again (it had ended, {why})"]

    def _start(self, name: str) -> None:
        path = self._log(name)
        # A child that ends again and again before it sets up its log never rotates the file itself.
        log_files.begin_anew(path, self._log_size)
        # In the name of a worker's log file Celery replaces signs like %h.
        is_worker = "worker" in COMMANDS[name]
        written = str(path).replace("%", "%%") if is_worker else str(path)
        with private_files.open_file(path, "ab") as log:
            self._running[name] = subprocess.Popen(  # noqa: S603 - our own program
                [*COMMANDS[name], "--logfile", written],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=partial(_die_with_parent, os.getpid()),  # noqa: PLW1509 - the parent has one thread
            )
        self._started[name] = time.monotonic()

    def _stop(self) -> None:
        """Ask the children to finish their work and stop, then to stop at once, then kill them.

        Work that is interrupted is in the database, and is found again.
        """
        for number, patience in STOPS:
            for child in self._running.values():
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, number) if number == signal.SIGKILL else child.send_signal(
                        number
                    )
            ends = time.monotonic() + patience
            for child in self._running.values():
                with suppress(subprocess.TimeoutExpired):
                    child.wait(max(0.0, ends - time.monotonic()))

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """Hold the lock of the state folder; if it is taken, raise an error that names the holder.

    The lock is released if its holder dies.
    """
    private_files.make_folder(home)
    with private_files.open_file(home / "up.lock", "a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyUp(str(home), _holder(lock)) from None
        lock.truncate(0)
        lock.write(f"pid {os.getpid()} since {time.strftime('%Y-%m-%d %H:%M:%S')}")
        lock.flush()
        yield


def _reason(code: int) -> str:
    """Return why a process ended."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def _holder(lock: IO[str]) -> str:
    lock.seek(0)
    return lock.read() or "by somebody"


def _die_with_parent(parent: int) -> None:
    """Ask the kernel to end this process when its parent ends; runs in the child."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(0)  # the parent ended before the kernel was asked
