"""The pulse of a site: when each part last made progress, and which wounds have not healed.

It comes from outside: from the logs of the workers, and from what is committed. Its moments are
exact to a fraction of a second, the time between two looks.
"""

import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from worker.domain.pilot import FINAL

DID = re.compile(rb"worker\.services\.(?:\w+\.)?execute(?:\[[\w-]+\])?: \w+ ?\S*: ")
"""What a worker logs when it has done something, in this version and in the one before."""
BEGAN = re.compile(rb"@\S+ ready\.|beat: Starting")
STEPS = """
SELECT t.id, p.stamp, t.was, t.became
  FROM transitions t JOIN pilots p ON p.id = t.pilot_id WHERE t.id > %s - 500 ORDER BY t.id
"""
TICK = "SELECT max(last_at) FROM schedules"

Stage = frozenset[str]
"""Events that must all have been seen since the last stage."""


@dataclass
class Wound:
    """What a fault stopped, and when that went on."""

    kind: str
    victim: str
    over: float
    stages: Sequence[Stage]
    strikes: bool = False
    """Whether its victim stopped altogether, so that its older wounds can never heal."""
    mark: float = 0.0
    progress: int = 0
    seconds: float | None = None
    overtaken: bool = False

    def __post_init__(self) -> None:
        self.mark = self.over

    def look(self, last: dict[str, float]) -> None:
        """Go on by as many stages as the events allow."""
        while self.seconds is None and self.progress < len(self.stages):
            moments = [last.get(event, 0.0) for event in self.stages[self.progress]]
            if any(at <= self.mark for at in moments):
                return
            self.mark = max(moments, default=self.mark)
            self.progress += 1
        if self.seconds is None:
            self.seconds = self.mark - self.over


@dataclass
class Pulse:
    """Looks for progress each time `feel` is called, and reports it to each wound."""

    dsn: str
    logs: dict[str, Path]
    last: dict[str, float] = field(default_factory=dict)
    wounds: list[Wound] = field(default_factory=list)
    steps: int = 0
    _offsets: dict[str, int] = field(default_factory=dict)
    _numbers: set[int] = field(default_factory=set)
    _newest: int = 0
    _tick: object = None
    _connection: "psycopg.Connection[tuple[object, ...]] | None" = None

    def feel(self) -> None:
        """Look at what happened since the last time."""
        now = time.monotonic()
        for name, log in self.logs.items():
            self._listen(name, log, now)
        try:
            self._ask(now)
        except psycopg.Error:
            self.close()
        for wound in self.open():
            wound.look(self.last)

    def open(self) -> list[Wound]:
        """Return the wounds that have not healed and were not overtaken."""
        return [w for w in self.wounds if w.seconds is None and not w.overtaken]

    def strike(self, wounds: Iterable[Wound]) -> None:
        """Add new wounds; one that stops its victim overtakes the victim's older wounds."""
        for wound in wounds:
            for other in self.open():
                if wound.strikes and other.victim == wound.victim:
                    other.overtaken = True
            self.wounds.append(wound)

    def turn(self, name: str, log: Path) -> None:
        """Read another log of a member from now on."""
        log.touch()
        self.logs[name], self._offsets[name] = log, 0

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _listen(self, name: str, log: Path, now: float) -> None:
        if not log.exists():
            return  # it has not said anything yet
        with log.open("rb") as output:
            output.seek(self._offsets.get(name, 0))
            new = output.read()
        whole = new.rfind(b"\n") + 1
        self._offsets[name] = self._offsets.get(name, 0) + whole
        if BEGAN.search(new, 0, whole):
            self.last[f"began:{name}"] = now
        if DID.search(new, 0, whole):
            self.last[f"did:{name}"] = now

    def _ask(self, now: float) -> None:
        if self._connection is None:
            self._connection = psycopg.connect(self.dsn, autocommit=True, connect_timeout=2)
        for number, stamp, was, became in self._connection.execute(STEPS, [self._newest]):
            if number not in self._numbers:
                self._note(int(str(number)), str(stamp), str(was), str(became), now)
        [(tick,)] = self._connection.execute(TICK).fetchall()
        if tick != self._tick:
            self._tick, self.last["ticked"] = tick, now

    def _note(self, number: int, stamp: str, was: str, became: str, now: float) -> None:
        self._numbers.add(number)
        self._newest = max(self._newest, number)
        self.steps += 1
        self.last["moved"] = now
        self.last[f"moved:{stamp}"] = now
        if was == "submitting" and became in ("submitted", "running"):
            self.last["accepted"] = now
        if became in FINAL:
            self.last[f"ended:{stamp}"] = now


def stages(*groups: Iterable[str]) -> list[Stage]:
    """Make the stages of a wound."""
    return [frozenset(group) for group in groups]
