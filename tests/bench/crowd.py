"""Several workers on the same CEs: how much more they do than one, and their waits for locks."""

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
"""Seconds that the median wait for a lock may last."""

_WAITS = """
SELECT extract(epoch FROM clock_timestamp() - waitstart) FROM pg_locks
WHERE NOT granted AND waitstart IS NOT NULL"""


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """The work of a number of workers at once."""

    workers: int
    pilots_per_second: float
    waits: int
    """The number of looks that saw a wait for a lock."""
    median_wait: float
    """The length of these waits, in seconds."""

    @property
    def is_met(self) -> bool:
        """Whether nobody waits for long."""
        return self.median_wait <= LONGEST_WAIT


def crowds(world: World) -> list[Crowd]:
    """Measure with one worker more each time, on all CEs of a world."""
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
    counts = [lives.get() for _ in members]
    for member in members:
        member.join()
    world.clear()
    return Crowd(
        workers=number,
        pilots_per_second=sum(counts) / SECONDS,
        waits=len(waits),
        median_wait=median(waits) if waits else 0.0,
    )


def _look(world: World, end: float) -> list[float]:
    """Look again and again for waits for a lock; return their lengths."""
    waits: list[float] = []
    while time.monotonic() < end:
        waits += [float(row[0]) for row in world.hand.execute(_WAITS)]
        time.sleep(0.02)
    return waits


def _work(url: str, ces: int, member: int, begin: Barrier, lives: "Queue[int]") -> None:
    """Take batches of pilots through their life, on one CE after the other, until the end."""
    ours = Ours(make_url(url), Counter())
    ours.submit([Grant(vo="vo-1", ce="ce-0001", count=1)])
    begin.wait()
    end, number = time.monotonic() + SECONDS, 0
    for turn in count(member * 7):
        if time.monotonic() >= end:
            break
        ce = f"ce-{turn % (ces - 1) + 1:04}"
        number += ours.live([Grant(vo=f"vo-{turn % 4 + 1}", ce=ce, count=BATCH)])
    ours.engine.dispose()
    lives.put(number)
