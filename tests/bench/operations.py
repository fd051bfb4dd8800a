"""The operations that are measured, with their goals."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.bench.floor import Floor
from tests.bench.ours import Ours
from tests.bench.sides import Counter
from tests.bench.world import CE, World
from worker.domain.pilot import Grant, Status

CYCLE = 200
"""The pilots of each CE that are due in a status cycle."""


@dataclass(frozen=True)
class Sides:
    """Both sides in one world, and the statements that each sends."""

    world: World
    ours: Ours
    floor: Floor
    counters: tuple[Counter, Counter]

    @property
    def pair(self) -> tuple[int, int]:
        """The keys of the VO and of the measured CE."""
        return self.world.keys()


@dataclass(frozen=True, kw_only=True)
class Operation:
    """The work of both sides on a number of rows, and how many times as long ours may take.

    The rows of each side are staged for it; staging is not measured.
    """

    name: str
    rows: int
    goal: float
    ours: Callable[[Sides], Callable[[], int]]
    floor: Callable[[Sides], Callable[[], int]]
    statements: int | None = None
    """The statements that ours may send, if there is a goal."""

    @property
    def is_long(self) -> bool:
        """Whether it is repeated less often."""
        return self.rows >= 1_000


@contextmanager
def sides_in(world: World) -> Iterator[Sides]:
    """Open both sides in a world."""
    counters = (Counter(), Counter())
    ours, floor = Ours(world.url, counters[0]), Floor(world.url, counters[1])
    try:
        yield Sides(world, ours, floor, counters)
    finally:
        ours.engine.dispose()
        floor.connection.close()


def _submit(rows: int, goal: float) -> Operation:
    return Operation(
        name="reserve, claim, record",
        rows=rows,
        goal=goal,
        ours=lambda sides: lambda: sides.ours.submit([Grant(vo="vo-1", ce=CE, count=rows)]),
        floor=_insert(rows),
    )


def _insert(rows: int) -> Callable[[Sides], Callable[[], int]]:
    def prepare(sides: Sides) -> Callable[[], int]:
        pairs = [sides.pair] * rows
        return lambda: sides.floor.insert(pairs)

    return prepare


def _send(sides: Sides) -> Callable[[], int]:
    sides.world.stage(Status.RESERVED, 20)
    return lambda: sides.ours.send(CE, 20)


def _move(rows: int, goal: float) -> Operation:
    def ours(sides: Sides) -> Callable[[], int]:
        ids = sides.world.stage(Status.RUNNING, rows)
        return lambda: sides.ours.move(ids)

    def floor(sides: Sides) -> Callable[[], int]:
        ids = sides.floor.stage(sides.pair, rows)
        return lambda: sides.floor.move(ids)

    return Operation(name="move", rows=rows, goal=goal, ours=ours, floor=floor)


def _due(sides: Sides) -> Callable[[], int]:
    sides.world.stage(Status.SUBMITTED, 1_000)
    return lambda: sides.ours.due(CE, 1_000)


def _due_floor(sides: Sides) -> Callable[[], int]:
    sides.world.stage(Status.SUBMITTED, 1_000)
    _, ce = sides.pair
    return lambda: sides.floor.due(ce, 1_000)


def _cycle(sides: Sides) -> Callable[[], int]:
    names = [f"ce-{n:04}" for n in range(1, 51)]
    for name in names:
        sides.world.stage(Status.RUNNING, CYCLE, name)
    return lambda: sides.ours.cycle(names)


def _cycle_floor(sides: Sides) -> Callable[[], int]:
    vo, first = sides.pair
    keys = list(range(first, first + 50))
    for key in keys:
        sides.world.stage(Status.RUNNING, CYCLE, f"ce-{key - first + 1:04}")
        sides.floor.clear_running(key)
        sides.floor.stage((vo, key), CYCLE)
    return lambda: sides.floor.cycle(keys)


OPERATIONS = (
    _submit(1, 7),
    _submit(1_000, 7),
    Operation(
        name="claim, record",
        rows=20,
        goal=7,
        ours=_send,
        floor=_insert(20),
        statements=5,
    ),
    _move(1_000, 2),
    _move(1, 2.5),
    Operation(name="due", rows=1_000, goal=6, ours=_due, floor=_due_floor),
    Operation(name="status cycle", rows=50 * CYCLE, goal=3, ours=_cycle, floor=_cycle_floor),
)
