"""CEs of a real batch system that runs as long as the run."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from tests.acceptance.processes import CELERY
from tests.chaos.fleet import children_of
from tests.chaos.pulse import Wound, stages
from tests.chaos.sites import ground
from tests.chaos.sites.lying import by_code
from tests.chaos.sites.payload import Log
from tests.chaos.verdict import Job
from tests.chaos.world import Act, Held, World
from worker.db.database import Database

NUMBER = 4
FROZEN = "the CE"
CALL_TIMEOUT = 4.0
"""Less than an execution may take, so that the driver notices a CE that hangs."""

LIFE = {"check_soonest": 0.5, "check_latest": 2.0, "call_timeout": CALL_TIMEOUT}

SPOILT = """#!/bin/bash
# Hands over, and loses the answer while it is told to.
if [ -e {spoilt} ]; then {real} "$@" > /dev/null 2>&1; kill -9 $$; fi
exec {real} "$@"
"""


class BatchSite(ABC):
    """What is the same for every batch system."""

    backend: str
    celery: Sequence[str] = CELERY

    def __init__(self, folder: Path, home: Path, database: Database) -> None:
        self.folder = folder
        self.log = Log(folder)
        self.spoilt = folder / "replies are lost"
        self._removals: set[str] = set()

    @abstractmethod
    def start(self, database: Database) -> Mapping[str, Any]:
        """Start the batch system; return the options of its CEs."""

    def lying(self) -> str:
        """Return the shell code of pilots that lie."""
        return by_code()

    @abstractmethod
    def daemons(self) -> list[int]:
        """Return the processes that answer for it."""

    @abstractmethod
    def going_on(self) -> set[str]:
        """List the stamps of the jobs that have not ended."""

    @abstractmethod
    def ever(self) -> Mapping[str, int]:
        """Count the jobs that there are or were, by stamp."""

    @abstractmethod
    def kill(self, stamps: list[str]) -> None:
        """Remove jobs, as somebody from outside does."""

    @abstractmethod
    def end(self) -> None:
        """Stop the batch system with all its jobs."""

    def build(self, database: Database) -> None:
        """Make CEs whose pilots live for seconds; some fail by themselves."""
        options = self.start(database)
        script = self.log.script(1, 2, 4, self.lying())
        ground.build(database, self.backend, NUMBER, {**LIFE, "command": script, **options})

    def acts(self) -> list[Act]:
        """List what can be done to a batch system and its jobs."""
        return [
            Act("freeze the CE", 1, self._freeze),
            Act("remove jobs", 2, self._remove),
            Act("lose replies", 1, self._lose_replies),
        ]

    def callers(self, children: Iterable[int]) -> dict[int, int | None]:
        """Find those that wait for a program of the batch system."""
        return {parent: child for child, parent in children_of(list(children)).items()}

    def jobs(self) -> list[Job]:
        """Read the log of the pilots, and the jobs whose pilots wrote nothing."""
        alive = self.going_on()
        ran = self.log.jobs(lambda stamp: stamp not in alive)
        stamps = {job.stamp for job in ran}
        silent = [
            Job(stamp, started=False)
            for stamp, number in self.ever().items()
            for _ in range(number - (stamp in stamps))
        ]
        return [*ran, *silent]

    def removals(self) -> set[str]:
        return self._removals

    def mend(self) -> None:
        """Lose no more replies; a frozen CE goes on by itself."""
        self.spoilt.unlink(missing_ok=True)

    def spoilable(self, name: str, real: str) -> Path:
        """Write a program that calls another, and loses its answers at times."""
        path = self.folder / "spoilable" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(SPOILT.format(spoilt=f"'{self.spoilt}'", real=f"'{real}'"))
        path.chmod(0o755)
        return path

    def _freeze(self, world: World, dice: Random) -> list[Wound] | None:
        """Freeze its daemons for a while; sometimes for longer than a call may take."""
        if FROZEN in world.out:
            return None
        world.out.add(FROZEN)
        daemons = Held(self.daemons())

        def thaw() -> None:
            daemons.let_go()
            world.out.discard(FROZEN)
            again = stages(["accepted"])
            world.pulse.strike([Wound("CE frozen", "", time.monotonic(), again)])

        world.later(dice.uniform(1, 2 * CALL_TIMEOUT), thaw)
        return []

    def _remove(self, world: World, dice: Random) -> list[Wound] | None:
        """Remove up to three jobs; each pilot must end. A frozen CE has no act."""
        if FROZEN in world.out:
            return None
        alive = sorted(self.going_on())
        dice.shuffle(alive)
        victims = alive[: 1 + int(dice.random() * 3)]
        if not victims:
            return None
        self._removals.update(victims)
        self.kill(victims)
        now = time.monotonic()
        return [Wound("job removed", "", now, stages([f"ended:{stamp}"])) for stamp in victims]

    def _lose_replies(self, world: World, dice: Random) -> list[Wound] | None:
        """Lose the answers to submissions for a while."""
        if self.spoilt.exists():
            return None
        self.spoilt.touch()
        world.later(dice.uniform(1, 5), lambda: self.spoilt.unlink(missing_ok=True))
        return []
