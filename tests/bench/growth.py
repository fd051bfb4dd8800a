"""How the cost of a question, or of a pilot, grows with the number of pilots.

Exponent: an operation that takes k times as long in a world n times as large has log k / log n.
An operation that reads no history has 0, one that reads all of it has 1.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import gettempdir
from time import perf_counter

from sqlalchemy import URL

from tests.bench.operations import OPERATIONS, Operation, Sides
from tests.bench.sides import LATER
from tests.bench.world import CE
from worker.db.database import Database
from worker.services.observe.timings import QUESTIONS, Question, Subject
from worker.services.runtime import Runtime

FLAT = 0.1
"""The greatest exponent that counts as flat."""
SUBJECT = Subject(ce=CE, vo="vo-1")
GROWING = ("reserve, claim, record", "move", "due")


@dataclass(frozen=True, kw_only=True)
class Grown:
    """One line of a growth table."""

    name: str
    sizes: tuple[int, ...]
    ms: tuple[float, ...]
    exponent: float
    """The growth from the smallest world to the largest."""

    @property
    def is_met(self) -> bool:
        """Whether it costs about the same in each world."""
        return self.exponent < FLAT


def grow(places: Sequence[tuple[int, Sides]], repetitions: int) -> list[Grown]:
    """Measure each question and some operations in worlds of several sizes, in turn."""
    sizes = tuple(size for size, _ in places)
    for _, sides in places:
        sides.world.settle()
    runtimes = [runtime_of(sides.world.url) for _, sides in places]
    lines = [
        _growth_of(
            question.name, sizes, [partial(_ask, question, r) for r in runtimes], repetitions
        )
        for question in QUESTIONS
    ]
    for runtime in runtimes:
        runtime.database.close()
    for operation in OPERATIONS:
        if operation.name in GROWING:
            works = [partial(_do, operation, sides) for _, sides in places]
            few = max(3, repetitions // 5) if operation.is_long else repetitions
            lines.append(_growth_of(f"{operation.name} {operation.rows:,}", sizes, works, few))
    return lines


def _growth_of(
    name: str, sizes: tuple[int, ...], works: Sequence[Callable[[], float]], repetitions: int
) -> Grown:
    turns = [[work() for work in works] for _ in range(repetitions + 1)][1:]
    # A slow machine slows all worlds in a turn, so the ratio is computed turn by turn.
    ratio = median(turn[-1] / turn[0] for turn in turns)
    return Grown(
        name=name,
        sizes=sizes,
        ms=tuple(median(series) for series in zip(*turns, strict=True)),
        exponent=round(math.log(ratio) / math.log(sizes[-1] / sizes[0]), 3),
    )


def _ask(question: Question, runtime: Runtime) -> float:
    begin = perf_counter()
    question.ask(runtime, SUBJECT)
    return (perf_counter() - begin) * 1000


def _do(operation: Operation, sides: Sides) -> float:
    work = operation.ours(sides)
    begin = perf_counter()
    work()
    milliseconds = (perf_counter() - begin) * 1000
    sides.world.clear()
    return milliseconds


def runtime_of(url: URL) -> Runtime:
    """Make a runtime for a world, just after its moment."""
    return Runtime(
        database=Database(url),
        backends={},
        home=Path(gettempdir()),
        now=lambda: LATER,
        holder="bench",
    )
