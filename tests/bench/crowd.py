"""Several workers on the same CEs: how much more they do than one, and how they wait for locks."""

import multiprocessing
import time
from dataclasses import dataclass
from itertools import count
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from statistics import median

from sqlalchemy import make_url

from tests.bench.ours import Ours
from tests.bench.sides import Counter
from tests.bench.world import World
from worker.domain.pilot import Grant

SECONDS = 10.0
BATCH = 20
NUMBERS = (1, 2, 4, 8)
LONGEST_WAIT = 0.1
"""Seconds for which a lock may be waited for, at the median of those that are waited for."""

_WAITS = """
SELECT extract(epoch FROM clock_timestamp() - waitstart) FROM pg_locks
WHERE NOT granted AND waitstart IS NOT NULL"""


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """What so many workers did at once."""

    workers: int
    pilots_per_second: float
    waits: int
    """How often a look saw somebody wait for a lock."""
    median_wait: float
    """How long those had waited, in seconds."""

    @property
    def met(self) -> bool:
        """Whether nobody waits for long."""
        return self.median_wait <= LONGEST_WAIT


def crowds(world: World) -> list[Crowd]:
    """Let one worker after the other join, on all CEs of a world."""
    return [_crowd(world, number) for number in NUMBERS]


def _crowd(world: World, number: int) -> Crowd:
    world.settle()
    spawn = multiprocessing.get_context("spawn")
    lives, begin = spawn.Queue(), spawn.Barrier(number + 1)
    url = world.url.render_as_string(hide_password=False)
    members = [
        spawn.Process(target=_work, args=(url, world.size.ces, n, begin, lives))
        for n in range(number)
    ]
    for member in members:
        member.start()
    begin.wait()
    waits = _look(world, time.monotonic() + SECONDS)
    done = [lives.get() for _ in members]
    for member in members:
        member.join()
    world.clear()
    return Crowd(
        workers=number,
        pilots_per_second=sum(done) / SECONDS,
        waits=len(waits),
        median_wait=median(waits) if waits else 0.0,
    )


def _look(world: World, end: float) -> list[float]:
    """Look again and again who waits for a lock, and for how long."""
    waits: list[float] = []
    while time.monotonic() < end:
        waits += [float(row[0]) for row in world.hand.execute(_WAITS)]
        time.sleep(0.02)
    return waits


def _work(url: str, ces: int, member: int, begin: Barrier, lives: "Queue[int]") -> None:
    """Take pilots through their life, a batch on one CE after the other, until the time is over."""
    ours = Ours(make_url(url), Counter())
    ours.submit([Grant(vo="vo-1", ce="ce-0001", count=1)])
    begin.wait()
    end, done = time.monotonic() + SECONDS, 0
    for turn in count(member * 7):
        if time.monotonic() >= end:
            break
        ce = f"ce-{turn % (ces - 1) + 1:04}"
        done += ours.live([Grant(vo=f"vo-{turn % 4 + 1}", ce=ce, count=BATCH)])
    ours.engine.dispose()
    lives.put(done)
