"""The pulse of a site: what was last seen to make progress, and what waits for it to go on.

It is felt from outside: in what the workers log, and in what is committed. What happened is known
to a fraction of a second, the time between two looks.
"""

import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from worker.domain.pilot import FINAL

DID = re.compile(rb"worker\.services\.(?:\w+\.)?execute(?:\[[\w-]+\])?: \w+ ?\S*: ")
"""What a worker says when it has done something, in this version and in the one before."""
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
    """What a fault stopped, and when it went on."""

    kind: str
    victim: str
    over: float
    stages: Sequence[Stage]
    strikes: bool = False
    """Whether its victim stopped altogether, so that nobody can tell when it would have healed."""
    mark: float = 0.0
    reached: int = 0
    seconds: float | None = None
    overtaken: bool = False

    def __post_init__(self) -> None:
        self.mark = self.over

    def look(self, last: dict[str, float]) -> None:
        """Go as many stages further as the events allow."""
        while self.seconds is None and self.reached < len(self.stages):
            seen = [last.get(event, 0.0) for event in self.stages[self.reached]]
            if any(at <= self.mark for at in seen):
                return
            self.mark = max(seen, default=self.mark)
            self.reached += 1
        if self.seconds is None:
            self.seconds = self.mark - self.over


@dataclass
class Pulse:
    """Feels the pulse each time it is asked to, and tells each wound what it felt."""

    dsn: str
    logs: dict[str, Path]
    last: dict[str, float] = field(default_factory=dict)
    wounds: list[Wound] = field(default_factory=list)
    steps: int = 0
    _read: dict[str, int] = field(default_factory=dict)
    _seen: set[int] = field(default_factory=set)
    _newest: int = 0
    _tick: object = None
    _connection: "psycopg.Connection[tuple[object, ...]] | None" = None

    def feel(self) -> None:
        """Look what happened since the last time."""
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
        """List what has not healed and was not overtaken."""
        return [w for w in self.wounds if w.seconds is None and not w.overtaken]

    def strike(self, wounds: Iterable[Wound]) -> None:
        """Note new wounds; a member's older ones are overtaken by what stops it now."""
        for wound in wounds:
            for other in self.open():
                if wound.strikes and other.victim == wound.victim:
                    other.overtaken = True
            self.wounds.append(wound)

    def turn(self, name: str, log: Path) -> None:
        """Listen to another log of a member from now on."""
        log.touch()
        self.logs[name], self._read[name] = log, 0

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _listen(self, name: str, log: Path, now: float) -> None:
        if not log.exists():
            return  # it has not said anything yet
        with log.open("rb") as said:
            said.seek(self._read.get(name, 0))
            new = said.read()
        whole = new.rfind(b"\n") + 1
        self._read[name] = self._read.get(name, 0) + whole
        if BEGAN.search(new, 0, whole):
            self.last[f"began:{name}"] = now
        if DID.search(new, 0, whole):
            self.last[f"did:{name}"] = now

    def _ask(self, now: float) -> None:
        if self._connection is None:
            self._connection = psycopg.connect(self.dsn, autocommit=True, connect_timeout=2)
        for number, stamp, was, became in self._connection.execute(STEPS, [self._newest]):
            if number not in self._seen:
                self._note(int(str(number)), str(stamp), str(was), str(became), now)
        [(tick,)] = self._connection.execute(TICK).fetchall()
        if tick != self._tick:
            self._tick, self.last["ticked"] = tick, now

    def _note(self, number: int, stamp: str, was: str, became: str, now: float) -> None:
        self._seen.add(number)
        self._newest = max(self._newest, number)
        self.steps += 1
        self.last["moved"] = now
        self.last[f"moved:{stamp}"] = now
        if was == "submitting" and became in ("submitted", "running"):
            self.last["accepted"] = now
        if became in FINAL:
            self.last[f"ended:{stamp}"] = now


def stages(*groups: Iterable[str]) -> list[Stage]:
    """Write the stages that a wound heals by."""
    return [frozenset(group) for group in groups]
