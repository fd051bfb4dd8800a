"""Workers and beats, and a supervisor that starts again whatever has ended, as systemd would."""

import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.acceptance.processes import CELERY, Processes
from tests.patience import LONGEST, Patience
from tests.testbeds.keeper import die_with_parent
from worker.backends.local.keeper.process import stat_fields

RESTART_AFTER = 0.3
"""Seconds that the supervisor waits, and twice as long each time while one keeps ending."""
LONGEST_WAIT = 5.0
NUMBERS = re.compile(r"\d{2,}")
"""Numbers of ports and processes differ each time."""
SETTLED = 10.0
"""Who ran for so many seconds has not just kept ending."""


@dataclass
class Member:
    """A worker or beat, whatever process it is just now."""

    name: str
    words: Sequence[str]
    children: int = 0
    process: "subprocess.Popen[bytes] | None" = None
    began: float = 0.0
    ended: float = 0.0
    wait: float = RESTART_AFTER
    starts: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    """What it is told besides what all are told."""
    version: str = ""
    """Which version it is, if not this one; its log is another, too."""
    struck: bool = False
    """Whether its next end was brought about."""

    @property
    def is_worker(self) -> bool:
        """Tell a worker from a beat."""
        return self.children > 0

    @property
    def pid(self) -> int | None:
        """Name its process, if it has one."""
        return self.process.pid if self.process and self.process.poll() is None else None


def worker(name: str, queues: str, children: int) -> Member:
    """Make a worker that has so many processes in its pool."""
    words = ["worker", "-l", "INFO", "-Q", queues, "-c", str(children), "-n", f"{name}@%h"]
    return Member(name, [*CELERY, *words], children)


def beat(name: str) -> Member:
    """Make a scheduler."""
    return Member(name, [*CELERY, "beat", "-l", "INFO", "--pidfile="])


@dataclass
class Fleet:
    """All members, and what became of those that ended by themselves."""

    processes: Processes
    told: Mapping[str, str]
    members: Sequence[Member]
    own_ends: Counter[str] = field(default_factory=Counter)

    def start(self) -> None:
        """Start everybody."""
        for member in self.members:
            self._start(member)

    def mend(self) -> None:
        """Start again who has ended, after a moment."""
        now = time.monotonic()
        for member in self.members:
            if member.process is None or member.process.poll() is None:
                continue
            if member.ended < member.began:
                self._note_end(member, now)
            if now - member.ended >= member.wait:
                self._start(member)

    def stop(self) -> dict[str, int | None]:
        """Order everybody to stop, beats first; return the exit codes, None for who did not."""
        members = sorted(self.members, key=lambda member: member.is_worker)
        started = {m.name: m.process for m in members if m.process is not None}
        for process in started.values():
            process.terminate()
        patience = Patience(self.processes.progress)
        while any(process.poll() is None for process in started.values()) and patience.lasts():
            time.sleep(0.05)
        return {name: process.returncode for name, process in started.items()}

    def end(self) -> None:
        """End whatever is left of everybody, and of their children."""
        self.processes.end()
        for member in self.members:
            if member.process is not None:
                member.process.wait(LONGEST)  # it was killed: the limit is for a test that hangs

    def alive(self, *, workers: bool) -> list[Member]:
        """List the workers, or the beats, that run."""
        return [m for m in self.members if m.is_worker is workers and m.pid is not None]

    def named(self, name: str) -> Member:
        """Find one."""
        [found] = [member for member in self.members if member.name == name]
        return found

    def log(self, member: Member) -> Path:
        """Name the file that holds what it said, in all its lives."""
        return self.processes.log(f"{member.name} {member.version}".strip())

    def _start(self, member: Member) -> None:
        log, cwd = self.log(member), self.processes.folder / member.name
        cwd.mkdir(exist_ok=True)
        with log.open("ab") as written:
            member.process = subprocess.Popen(
                member.words,
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env=self.processes.environment({**self.told, **member.environment}),
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - it only asks the kernel
            )
        member.began, member.struck = time.monotonic(), False
        member.starts += 1

    def _note_end(self, member: Member, now: float) -> None:
        member.ended = now
        settled = now - member.began > SETTLED
        member.wait = RESTART_AFTER if settled else min(member.wait * 2, LONGEST_WAIT)
        if not member.struck and member.process is not None:
            said = self.log(member).read_text(errors="replace").strip().splitlines()
            self.own_ends[NUMBERS.sub("…", said[-1]) if said else "without a word"] += 1


def children_of(pids: Sequence[int]) -> dict[int, int]:
    """Map each child of these processes to its parent; all processes are looked through once."""
    wanted, found = set(pids), {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = stat_fields(int(entry.name))
            if fields and int(fields[1]) in wanted and fields[0] not in (b"Z", b"X"):
                found[int(entry.name)] = int(fields[1])
    return found


def send(pid: int, number: signal.Signals) -> bool:
    """Signal a process, if it is still there."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)
        return True
    return False
