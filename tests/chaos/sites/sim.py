"""CEs of the back-end sim, with its own faults on request."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import select

from tests.backends.sim_site import LIES
from tests.chaos.pulse import Wound
from tests.chaos.sites import ground
from tests.chaos.sites.lying import lie_of
from tests.chaos.verdict import Job
from tests.chaos.world import Act, World
from worker.backends.sim import faults, states
from worker.backends.sim.kinds import Fault
from worker.backends.sim.memory import sim_jobs
from worker.db.database import Database
from worker.domain.errors import PilotageError
from worker.domain.pilot import Cause

LIFE = {"queue_time": 0.7, "run_time": 1.5, "check_soonest": 0.5, "check_latest": 2.0}
FAULTS: tuple[tuple[Fault, float, dict[str, Any]], ...] = (
    (Fault.DOWN, 1.0, {}),
    (Fault.SLOW, 1.0, {"seconds": 3}),
    (Fault.UNREADABLE, 0.7, {}),
    (Fault.LOSES_REPLY, 0.7, {"share": 0.5}),
    (Fault.ANSWERS_HALF, 0.7, {}),
    (Fault.ANSWERS_NOTHING, 0.7, {}),
    (Fault.TRUNCATES, 1.0, {}),
    (Fault.SKEWED, 1.0, {"seconds": 3600}),
    (Fault.REFUSES, 0.5, {}),
    (Fault.CREDENTIAL, 1.0, {}),
    (Fault.FAILS_FAST, 0.5, {}),
    (Fault.FAILS_LATE, 0.5, {}),
    (Fault.KILLS, 0.5, {}),
    (Fault.REMOVES, 0.5, {}),
    (Fault.REQUEUES, 0.5, {"seconds": 2}),
    (Fault.LATE, 0.5, {"seconds": 12}),
    (Fault.FORGETS, 0.5, {}),
    (Fault.STRANGE_WORD, 0.5, {}),
    (Fault.GARBLES, 0.5, {}),
)
"""Faults that a CE may have for a while; none keeps a job for ever."""


class SimSite:
    """Simulated CEs, all at one place that does not say which CE a job belongs to."""

    number = 20
    vos = ground.VOS
    celery: Sequence[str] = (sys.executable, "-m", "tests.chaos.gullible")
    """This Celery has CEs that believe pilots that lie."""

    def __init__(self, folder: Path, home: Path, database: Database) -> None:
        self._database = database

    def build(self, database: Database) -> None:
        """Make CEs whose pilots live for a second or two."""
        place = {"neighbours": [ground.name(n) for n in range(self.number)], "tells_ce": False}
        ground.build(database, "sim", self.number, {**LIFE, **place}, self.vos)

    def acts(self) -> list[Act]:
        """Return the act that gives a CE any of its faults for a while."""
        return [Act("give a CE a fault", 8, self._switch_on)]

    def callers(self, children: Iterable[int]) -> dict[int, int | None]:
        """Any of the processes may be calling; this cannot be seen."""
        return dict.fromkeys(children)

    def jobs(self) -> list[Job]:
        """Read the jobs of the simulated world."""
        job = sim_jobs.c
        query = select(job.stamp, job.fate, job.exit_code, job.starts_at, job.ends_at)
        now = datetime.now(UTC)
        with self._database.uow() as tx:
            return [
                Job(
                    row.stamp,
                    code=0 if row.fate == states.COMPLETED else row.exit_code,
                    ended=row.ends_at is not None and row.ends_at <= now,
                    began=row.starts_at and row.starts_at.timestamp(),
                    lie=lie if (lie := lie_of(row.stamp)) in LIES else None,
                )
                for row in tx.execute(query)
            ]

    def removals(self) -> set[str]:
        """Return the jobs that a fault removed; a job that we cancel has another fate."""
        word = states.ENDS[Cause.REMOVED].word
        query = select(sim_jobs.c.stamp).where(sim_jobs.c.fate == word)
        with self._database.uow() as tx:
            return set(tx.execute(query).scalars())

    def mend(self) -> None:
        """End every fault."""
        for n in range(self.number):
            faults.switch_off(self._database.uow, ground.name(n))

    def end(self) -> None:
        """Nothing runs."""

    def _switch_on(self, world: World, dice: Random) -> list[Wound] | None:
        fault, rate, settings = dice.choice(FAULTS)
        ce, seconds = ground.name(int(dice.random() * self.number)), dice.uniform(2, 10)
        until = datetime.now(UTC) + timedelta(seconds=seconds)
        try:
            faults.switch_on(self._database.uow, ce, fault, rate, until, **settings)
        except PilotageError:
            return None
        return []


class CrowdSite(SimSite):
    """More CEs and VOs."""

    number = 50
    vos: Mapping[str, int | None] = {**ground.VOS, "tiny": 3, "great": 100}


class SmallSite(SimSite):
    """A few CEs and one VO, for a single worker."""

    number = 4
    vos: Mapping[str, int | None] = {"small": 8}
