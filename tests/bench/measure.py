"""A measurement: both sides in turn, from the same beginning, many times."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter

from tests.bench.operations import Operation, Sides

WARM_UP = 7
"""Turns that open connections and compile statements; the driver prepares after five."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One line of the first table: an operation of ours beside its floor."""

    operation: str
    rows: int
    ours_ms: float
    floor_ms: float
    ratio: float
    goal: float
    statements: int
    most_statements: int | None

    @property
    def is_met(self) -> bool:
        """Whether ours meets its goal."""
        is_short = self.most_statements is None or self.statements <= self.most_statements
        return self.ratio <= self.goal and is_short


def compare(sides: Sides, operation: Operation, repetitions: int) -> Compared:
    """Measure one operation on both sides in turn."""
    sides.world.settle()
    warm_up = WARM_UP if not operation.is_long else 2
    pairs = [_pair(sides, operation, n) for n in range(warm_up + repetitions)][warm_up:]
    sides.counters[0].statements = 0
    _once(sides, operation.ours, operation.rows)
    return Compared(
        operation=operation.name,
        rows=operation.rows,
        ours_ms=median(ours for ours, _ in pairs),
        floor_ms=median(floor for _, floor in pairs),
        ratio=_ratio(pairs),
        goal=operation.goal,
        statements=sides.counters[0].statements,
        most_statements=operation.statements,
    )


def _pair(sides: Sides, operation: Operation, turn: int) -> tuple[float, float]:
    """Measure both sides once; the order changes each turn."""
    if turn % 2:
        ours = _once(sides, operation.ours, operation.rows)
        return ours, _once(sides, operation.floor, operation.rows)
    floor = _once(sides, operation.floor, operation.rows)
    return _once(sides, operation.ours, operation.rows), floor


def _once(sides: Sides, prepare: Callable[[Sides], Callable[[], int]], rows: int) -> float:
    work = prepare(sides)
    begin = perf_counter()
    number = work()
    milliseconds = (perf_counter() - begin) * 1000
    if number != rows:
        raise AssertionError(f"{number} rows were done and not {rows}")
    sides.world.clear()
    return milliseconds


def _ratio(pairs: Sequence[tuple[float, float]]) -> float:
    """Return the median of the ratios: a slow machine slows both of a pair."""
    return math.floor(median(ours / floor for ours, floor in pairs) * 1000 + 0.5) / 1000
