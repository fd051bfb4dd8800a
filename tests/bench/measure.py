"""How a measurement is made: both sides in turn, from the same beginning, many times."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any

from tests.bench.ours import Ours
from tests.bench.raw import Raw
from tests.bench.sides import Counter, Side
from tests.bench.world import CE, World
from worker.domain.pilot import Status

AIMS = {1: 3.0, 1_000: 1.5}
"""Ours may take so many times as long as by hand, by number of rows."""
FLAT = 1.3
"""With a longer history an operation may take so many times as long and still count as flat."""
WARM_UP = 7
"""Connections open, statements are compiled, and the driver prepares after five executions."""


@dataclass(frozen=True, kw_only=True)
class Operation:
    """What to put in place, and what to do then, for a number of rows."""

    name: str
    prepare: Callable[[World, int], Any]
    run: Callable[[Side, Any], int]


def _stage(status: Status) -> Callable[[World, int], Any]:
    return lambda world, rows: world.stage(status, rows)


def _stage_and_count(status: Status) -> Callable[[World, int], Any]:
    return lambda world, rows: len(world.stage(status, rows))


OPERATIONS = (
    Operation(
        name="reserve",
        prepare=lambda world, rows: world.grants(rows),
        run=lambda side, grants: side.reserve(grants),
    ),
    Operation(
        name="claim",
        prepare=_stage_and_count(Status.RESERVED),
        run=lambda side, rows: side.claim(CE, rows),
    ),
    Operation(
        name="record",
        prepare=_stage(Status.SUBMITTING),
        run=lambda side, ids: side.record(ids),
    ),
    Operation(
        name="move",
        prepare=_stage(Status.RUNNING),
        run=lambda side, ids: side.move(ids),
    ),
    Operation(
        name="checked",
        prepare=_stage(Status.SUBMITTED),
        run=lambda side, ids: side.checked(ids),
    ),
    Operation(
        name="due",
        prepare=_stage_and_count(Status.SUBMITTED),
        run=lambda side, rows: side.due(CE, rows),
    ),
    Operation(
        name="free slots",
        prepare=lambda world, rows: world.enable(rows),
        run=lambda side, _: side.free(),
    ),
)


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One line of the table: an operation on both sides."""

    operation: str
    rows: int
    ours_ms: float
    raw_ms: float
    ratio: float
    ours_statements: int
    raw_statements: int
    aim: float

    @property
    def met(self) -> bool:
        """Tell whether ours is as fast as it should be."""
        return self.ratio <= self.aim


@dataclass(frozen=True, kw_only=True)
class Grown:
    """One line of the second table: an operation of ours with ever more final pilots."""

    operation: str
    rows: int
    finals: tuple[int, ...]
    ms: tuple[float, ...]
    ratios: tuple[float, ...]

    @property
    def met(self) -> bool:
        """Tell whether the history costs nothing."""
        return max(self.ratios) <= FLAT


def compare(world: World, operation: Operation, rows: int, repetitions: int) -> Compared:
    """Measure one operation on both sides, turn and turn about."""
    counters = (Counter(), Counter())
    ours, raw = Ours(world.url, counters[0]), Raw(world.url, counters[1])
    try:
        world.settle()
        places: list[tuple[World, Side]] = [(world, ours), (world, raw)]
        times = _in_turn(places, operation, rows, repetitions)
        counts = [_statements(p, c, operation, rows) for p, c in zip(places, counters, strict=True)]
    finally:
        ours.engine.dispose()
        raw.connection.close()
    return Compared(
        operation=operation.name,
        rows=rows,
        ours_ms=median(times[0]),
        raw_ms=median(times[1]),
        ratio=_ratio(times[0], times[1]),
        ours_statements=counts[0],
        raw_statements=counts[1],
        aim=AIMS[rows],
    )


def grow(worlds: Sequence[World], operation: Operation, rows: int, repetitions: int) -> Grown:
    """Measure one operation of ours in worlds that differ in their history, in turn."""
    places: list[tuple[World, Side]] = [(world, Ours(world.url, Counter())) for world in worlds]
    for world in worlds:
        world.settle()
    times = _in_turn(places, operation, rows, repetitions)
    for _, side in places:
        assert isinstance(side, Ours)
        side.engine.dispose()
    return Grown(
        operation=operation.name,
        rows=rows,
        finals=tuple(world.finals for world in worlds),
        ms=tuple(median(series) for series in times),
        ratios=tuple(_ratio(series, times[0]) for series in times),
    )


def _in_turn(
    places: Sequence[tuple[World, Side]], operation: Operation, rows: int, repetitions: int
) -> list[list[float]]:
    """Take times in milliseconds, for each place; whoever was first is last the next time."""
    times: list[list[float]] = [[] for _ in places]
    for repetition in range(WARM_UP + repetitions):
        order = range(len(places))
        for place in order if repetition % 2 else reversed(order):
            world, side = places[place]
            taken = _once(world, side, operation, rows)
            if repetition >= WARM_UP:
                times[place].append(taken)
    return times


def _once(world: World, side: Side, operation: Operation, rows: int) -> float:
    subject = operation.prepare(world, rows)
    begin = perf_counter()
    done = operation.run(side, subject)
    taken = (perf_counter() - begin) * 1000
    if done != rows:
        raise AssertionError(f"{side.name} {operation.name}: {done} rows and not {rows}")
    world.clear()
    return taken


def _statements(
    place: tuple[World, Side], counter: Counter, operation: Operation, rows: int
) -> int:
    counter.statements = 0
    _once(*place, operation, rows)
    return counter.statements


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Take the median of the pairs: what slowed the machine slowed both of a pair."""
    found = median(a / b for a, b in zip(ours, theirs, strict=True))
    return math.floor(found * 1000 + 0.5) / 1000
