"""One run: build a site, let it work, torment it, let it settle, compare."""

import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.chaos import acts, evidence, logs, observer, verdict
from tests.chaos.ending import begin, count, judged, rows, settle
from tests.chaos.making import Shape, usual_crew
from tests.chaos.making import world as world_of
from tests.chaos.observer import Observer
from tests.chaos.report import Report, recoveries
from tests.chaos.tormentor import Tormentor
from tests.chaos.upgrade import Upgraded, old_code, upgrade
from tests.chaos.world import Act, Disk, World

DISK = 1 << 30


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The arguments of a run."""

    kills: int = 60
    seed: int = 1
    ce: str = "local"
    seconds: float = 60.0
    starts: int = 0
    """How many pilots must have started before it ends, however slow the machine is."""
    upgrade: bool = False
    """Whether to begin with the version before, and to upgrade after a fifth of the kills."""


def run(plan: Plan, folder: Path) -> Report:
    """Make the whole run, and return its report."""
    began, started_at = datetime.now(UTC), time.monotonic()
    no_disk = Disk.problem()
    tree = old_code(folder) if plan.upgrade else None
    shape = Shape(ce=plan.ce, members=usual_crew(), disk=None if no_disk else DISK, tree=tree)
    with world_of(folder, shape) as world:
        tormentor = Tormentor(deck(world), plan.seed, folder / "journal.jsonl")
        begin(world)
        watching = Observer(world.postgresql.dsn)
        watching.start()
        storm = time.monotonic()
        outcomes: list[Upgraded] = []

        def between() -> None:
            outcomes.append(upgrade(world))

        tormentor.torment(world, plan.kills, plan.seconds, between if plan.upgrade else None)
        world.reaches(lambda: _count_starts(world) >= plan.starts)
        torment_seconds = time.monotonic() - storm
        settle_seconds = settle(world)
        codes = world.fleet.stop()
        watching.stop()
        evidence.write(
            folder / evidence.NAME,
            began,
            watching.limits,
            rows(world.database),
            observer.steps(world.postgresql.dsn),
            world.site.jobs(),
            world.site.removals(),
        )
        return Report(
            ce=plan.ce,
            seed=plan.seed,
            began=began,
            asked_seconds=plan.seconds,
            seconds=time.monotonic() - started_at,
            tormented=torment_seconds,
            settled=settle_seconds,
            kills=tormentor.kills,
            acts=dict(tormentor.counts),
            missed=dict(tormentor.misses),
            upgrade=outcomes[0] if outcomes else None,
            left_out={acts.FILL_DISK.name: no_disk} if no_disk else {},
            pilots=dict(verdict.summary(rows(world.database))),
            starts=_count_starts(world),
            lies=dict(Counter(sorted(job.lie for job in world.site.jobs() if job.lie))),
            transitions=count(world.database, "transitions"),
            snapshots=watching.snapshots,
            recoveries=recoveries(world.pulse.wounds),
            restarts=sum(member.starts - 1 for member in world.fleet.members),
            own_ends=dict(world.fleet.own_ends),
            tracebacks=dict(logs.of(world.pulse.logs.values())),
            long_waits=len(logs.long_waits(world.postgresql.log)),
            verdict=judged(world, watching.exceeded, codes),
        )


def _count_starts(world: World) -> int:
    return sum(job.started for job in world.site.jobs())


def deck(world: World) -> list[Act]:
    """Return the acts that are possible in this world."""
    own = [acts.FILL_DISK] if world.disk is not None else []
    return [*acts.ACTS, *world.site.acts(), *own]
