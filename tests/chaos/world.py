"""Everything that a run controls: servers, workers, the CE, the disk, and later actions."""

import ctypes
import heapq
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random
from typing import Protocol

from tests.chaos.fleet import Fleet
from tests.chaos.pulse import Pulse, Wound
from tests.chaos.servers import Postgresql, Redis
from tests.chaos.verdict import Job
from tests.patience import Patience
from worker.db.database import Database

CLONE_NEWNS = 0x20000
_libc = ctypes.CDLL(None, use_errno=True)


class Disk:
    """The disk of the state folder, small enough to fill."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder, self._ballast = folder, folder / "ballast"
        folder.mkdir()
        # A mount of our own: nobody else sees it, and it ends with our last process.
        if _libc.unshare(CLONE_NEWNS):
            raise LookupError("only root may mount a disk of its own")
        _run_command("mount", "--make-rprivate", "/")
        _run_command(
            "mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "pilotage-chaos", str(folder)
        )

    @staticmethod
    def problem() -> str:
        """Return why no disk can be mounted here; empty if it is possible."""
        words = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
        if shutil.which("unshare") is None:
            return "util-linux is not installed"
        process = subprocess.run(words, check=False, capture_output=True, text=True)
        return " ".join(process.stderr.split()) if process.returncode else ""

    def fill(self) -> None:
        """Leave no room."""
        facts = os.statvfs(self.folder)
        with suppress(OSError), self._ballast.open("ab", buffering=0) as ballast:
            os.posix_fallocate(ballast.fileno(), 0, facts.f_bavail * facts.f_bsize)
            while True:
                ballast.write(bytes(facts.f_bsize))

    def free(self) -> None:
        """Leave room again."""
        self._ballast.unlink(missing_ok=True)


class Site(Protocol):
    """A kind of CE: it makes its CEs, and knows their faults and their jobs."""

    celery: Sequence[str]
    """The words that start Celery there."""

    def build(self, database: Database) -> None:
        """Make CEs and VOs."""

    def acts(self) -> list["Act"]:
        """Return the acts against the CE itself."""

    def callers(self, children: Iterable[int]) -> dict[int, int | None]:
        """Return which of these processes are calling a CE now, with their helper processes."""

    def jobs(self) -> list[Job]:
        """Return the jobs that exist or existed at the CE: one for each start."""

    def removals(self) -> set[str]:
        """Return the stamps of the jobs that the tormentor removed at the CE."""

    def mend(self) -> None:
        """End every fault of the CE."""

    def end(self) -> None:
        """End what still runs at the CE."""


@dataclass
class World:
    """The world that the acts change."""

    fleet: Fleet
    postgresql: Postgresql
    redis: Redis
    database: Database
    pulse: Pulse
    site: Site
    folder: Path
    home: Path
    disk: Disk | None
    time_limit: float
    out: set[str] = field(default_factory=set)
    """What is out of order just now."""
    _later: list[tuple[float, int, Callable[[], object]]] = field(default_factory=list)
    _numbers: "count[int]" = field(default_factory=count)

    def later(self, seconds: float, do: Callable[[], object]) -> None:
        """Call a function after this number of seconds."""
        heapq.heappush(self._later, (time.monotonic() + seconds, next(self._numbers), do))

    def go_on(self, *, at_once: bool = False) -> None:
        """Do what is due, restart what has ended, and feel the pulse."""
        while self._later and (at_once or self._later[0][0] <= time.monotonic()):
            heapq.heappop(self._later)[2]()
        self.fleet.mend()
        self.pulse.feel()

    def live(self, seconds: float, until: Callable[[], object] = lambda: False) -> bool:
        """Go on for a while, or until something is true; return whether it became true."""
        end = time.monotonic() + seconds
        return self._go_on_until(until, lambda: time.monotonic() < end)

    def reaches(
        self, condition: Callable[[], object], progress: Callable[[], object] | None = None
    ) -> bool:
        """Go on until something is true, or nothing moves any more; return whether it is true."""
        return self._go_on_until(condition, Patience(progress or (lambda: self.pulse.steps)).lasts)

    def sees(self, events: Iterable[str]) -> bool:
        """Go on until each of these has happened after this moment; return whether it did."""
        now, expected_events = time.monotonic(), list(events)

        def missing_events() -> list[str]:
            return [event for event in expected_events if self.pulse.last.get(event, 0) <= now]

        return self.reaches(lambda: not missing_events(), progress=missing_events)

    def _go_on_until(self, condition: Callable[[], object], lasts: Callable[[], bool]) -> bool:
        while lasts():
            self.go_on()
            if condition():
                return True
            time.sleep(0.05)
        return bool(condition())

    def everybody_did(self) -> list[str]:
        """Return the events that show that every worker works."""
        return [f"did:{member.name}" for member in self.fleet.members if member.is_worker]


@dataclass(frozen=True)
class Act:
    """What a tormentor may do; each deck has this number of cards of it."""

    name: str
    cards: int
    do: Callable[[World, Random], list[Wound] | None]
    """Do it, and return the wounds; `None` if there was no victim."""
    kills: bool = False
    """Whether it kills a process of ours."""


class Held:
    """Processes that are stopped; a handle stays valid whatever becomes of the pid."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._handles = []
        for pid in pids:
            with suppress(ProcessLookupError):
                self._handles.append(os.pidfd_open(pid))
        self._send(signal.SIGSTOP)

    def let_go(self) -> None:
        """Let them go on."""
        self._send(signal.SIGCONT)
        for one in self._handles:
            os.close(one)

    def _send(self, number: signal.Signals) -> None:
        for one in self._handles:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(one, number)


def _run_command(*words: str) -> None:
    process = subprocess.run(words, check=False, capture_output=True, text=True)
    if process.returncode:
        raise LookupError(f"{' '.join(words)}: {process.stderr.strip()}")


def pick(dice: Random, among: Iterable[int]) -> int | None:
    """Choose one; the same state of the dice chooses the same."""
    choice = sorted(among)
    return choice[int(dice.random() * len(choice))] if choice else None


def command_of(pid: int) -> str:
    """Read the command line of a process."""
    with suppress(OSError):
        return (
            Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        )
    return ""


def folders_of(below: Path) -> Mapping[int, Path]:
    """Map the processes that work in a folder or below it to their working folders."""
    folders = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                place = (entry / "cwd").readlink()
                if place.is_relative_to(below):
                    folders[int(entry.name)] = place
    return folders
