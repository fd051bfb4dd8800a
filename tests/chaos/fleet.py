"""Workers and beats, and a supervisor that restarts those that have ended, as systemd does."""

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
"""Seconds that the supervisor waits; it waits twice as long for each further quick end."""
LONGEST_WAIT = 5.0
NUMBERS = re.compile(r"\d{2,}")
"""Ports and process ids, which differ each time."""
SETTLED = 10.0
"""Seconds of life after which an end is not a quick one."""


@dataclass
class Member:
    """A worker or beat, over all its processes."""

    name: str
    words: Sequence[str]
    children: int = 0
    process: "subprocess.Popen[bytes] | None" = None
    began: float = 0.0
    ended_at: float = 0.0
    wait: float = RESTART_AFTER
    starts: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    """Its variables besides those of all members."""
    version: str = ""
    """Its version, if it is not this one; then it has another log, too."""
    is_struck: bool = False
    """Whether a fault causes its next end."""

    @property
    def is_worker(self) -> bool:
        """Whether it is a worker, and not a beat."""
        return self.children > 0

    @property
    def pid(self) -> int | None:
        """The id of its process, if it has one."""
        return self.process.pid if self.process and self.process.poll() is None else None


def worker(name: str, queues: str, children: int) -> Member:
    """Make a worker with this number of processes in its pool."""
    words = ["worker", "-l", "INFO", "-Q", queues, "-c", str(children), "-n", f"{name}@%h"]
    return Member(name, [*CELERY, *words], children)


def beat(name: str) -> Member:
    """Make a scheduler."""
    return Member(name, [*CELERY, "beat", "-l", "INFO", "--pidfile="])


@dataclass
class Fleet:
    """All members, and the last words of those that ended by themselves."""

    processes: Processes
    told: Mapping[str, str]
    members: Sequence[Member]
    own_ends: Counter[str] = field(default_factory=Counter)

    def start(self) -> None:
        """Start everybody."""
        for member in self.members:
            self._start(member)

    def mend(self) -> None:
        """Restart the members that have ended, after a moment."""
        now = time.monotonic()
        for member in self.members:
            if member.process is None or member.process.poll() is None:
                continue
            if member.ended_at < member.began:
                self._note_end(member, now)
            if now - member.ended_at >= member.wait:
                self._start(member)

    def stop(self) -> dict[str, int | None]:
        """Stop everybody in order, beats first; return the exit codes, None for who did not end."""
        members = sorted(self.members, key=lambda member: member.is_worker)
        processes = {m.name: m.process for m in members if m.process is not None}
        for process in processes.values():
            process.terminate()
        patience = Patience(self.processes.progress)
        while any(process.poll() is None for process in processes.values()) and patience.lasts():
            time.sleep(0.05)
        return {name: process.returncode for name, process in processes.items()}

    def end(self) -> None:
        """Kill what is left of the members and their children."""
        self.processes.end()
        for member in self.members:
            if member.process is not None:
                member.process.wait(LONGEST)  # the limit is for a test that hangs

    def alive(self, *, workers: bool) -> list[Member]:
        """List the workers, or the beats, that run."""
        return [m for m in self.members if m.is_worker is workers and m.pid is not None]

    def member(self, name: str) -> Member:
        """Return the member with this name."""
        [member] = [member for member in self.members if member.name == name]
        return member

    def log(self, member: Member) -> Path:
        """Return the log of a member, which all its processes share."""
        return self.processes.log(f"{member.name} {member.version}".strip())

    def _start(self, member: Member) -> None:
        log, cwd = self.log(member), self.processes.folder / member.name
        cwd.mkdir(exist_ok=True)
        with log.open("ab") as output:
            member.process = subprocess.Popen(
                member.words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env=self.processes.environment({**self.told, **member.environment}),
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - it only asks the kernel
            )
        member.began, member.is_struck = time.monotonic(), False
        member.starts += 1

    def _note_end(self, member: Member, now: float) -> None:
        member.ended_at = now
        was_stable = now - member.began > SETTLED
        member.wait = RESTART_AFTER if was_stable else min(member.wait * 2, LONGEST_WAIT)
        if not member.is_struck and member.process is not None:
            lines = self.log(member).read_text(errors="replace").strip().splitlines()
            self.own_ends[NUMBERS.sub("…", lines[-1]) if lines else "without a word"] += 1


def children_of(pids: Sequence[int]) -> dict[int, int]:
    """Map each child of these processes to its parent, in one pass over all processes."""
    parents, children = set(pids), {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = stat_fields(int(entry.name))
            if fields and int(fields[1]) in parents and fields[0] not in (b"Z", b"X"):
                children[int(entry.name)] = int(fields[1])
    return children


def send(pid: int, number: signal.Signals) -> bool:
    """Signal a process, if it is still there."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)
        return True
    return False
