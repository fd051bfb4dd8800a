"""The trend: every point equals the counts at that moment, folded or not."""

import random
from collections import Counter
from datetime import datetime, timedelta

import pytest

from tests.expectations import statements
from tests.factories import MINUTE, a_ce, a_pilot
from tests.services.world import World
from worker.db import mover, tallies
from worker.domain.errors import Invalid
from worker.domain.pilot import FINAL, WAITING, Cause, Move, Status
from worker.services.observe.trend import MOST_POINTS, Trend, trend

HOURS = 3
BAD = (Status.FAILED, Status.LOST)


class Diary:
    """Moves pilots minute by minute, and records how many ran, waited and failed."""

    def __init__(self, world: World, seed: int) -> None:
        self._world, self._chance = world, random.Random(seed)
        self._ce = world.ce(a_ce().with_capacity(10_000))
        self._statuses: dict[int, Status] = {}
        self.lines: dict[datetime, tuple[int, int, int]] = {}

    def minute(self) -> None:
        """Let some pilots begin, run and end within a minute, and go on to the next minute."""
        failures = self._move()
        self._begin()
        counts = Counter(self._statuses.values())
        waiting_now = sum(counts[status] for status in WAITING)
        self.lines[self._world.now()] = counts[Status.RUNNING], waiting_now, failures
        self._world.wait(minutes=1)

    def _begin(self) -> None:
        batch = self._world.make(a_pilot().on(self._ce).submitted(), self._chance.randint(0, 3))
        self._statuses |= {pilot.id: pilot.status for pilot in batch}

    def _move(self) -> int:
        moves = []
        for pilot, status in self._statuses.items():
            if status not in FINAL and self._chance.random() < 0.1:
                to = Status.RUNNING if status is Status.SUBMITTED else self._end()
                cause = Cause.EXIT_CODE if to is Status.FAILED else None
                moves.append(Move(pilot_id=pilot, to=to, cause=cause))
        with self._world.database.uow() as tx:
            mover.move(tx, moves, self._world.now())
        self._statuses |= {move.pilot_id: move.to for move in moves}
        return sum(move.to in BAD for move in moves)

    def _end(self) -> Status:
        return self._chance.choice([Status.DONE, *BAD])


def fold(world: World) -> None:
    with world.database.uow() as tx:
        assert tallies.fold(tx, 100_000)


def values(curve: Trend) -> list[tuple[int, int, int]]:
    return [(point.running, point.waiting, point.failed) for point in curve.points]


def test_each_point_is_what_there_was(world: World) -> None:
    diary = Diary(world, 7)
    for minute in range(HOURS * 60 + 20):
        diary.minute()
        if minute == 120:
            fold(world)
    world.wait(seconds=-1)  # within the last minute
    curve = trend(world.runtime(), hours=HOURS)

    lines = list(diary.lines.values())[-HOURS * 60 :]
    assert curve.step_seconds == 60
    assert len(curve.points) == len(lines) == MOST_POINTS
    assert values(curve) == lines
    fold(world)
    assert values(trend(world.runtime(), hours=HOURS)) == lines


def test_longer_steps_sum_up_what_failed(world: World) -> None:
    diary = Diary(world, 8)
    for _ in range(60):
        diary.minute()
    world.wait(seconds=-1)
    curve = trend(world.runtime(), hours=24)

    assert curve.step_seconds == 8 * 60
    assert len(curve.points) <= MOST_POINTS
    assert sum(point.failed for point in curve.points) == sum(
        failures for _, _, failures in diary.lines.values()
    )
    last = list(diary.lines.values())[-1]
    assert values(curve)[-1][:2] == last[:2]
    assert curve.points[-1].at == curve.end == world.now()


def test_a_pilot_of_before_counts_in_each_point(world: World) -> None:
    [pilot] = world.make(a_pilot().on(world.ce()).submitted())
    world.wait(minutes=1)
    with world.database.uow() as tx:
        mover.move(tx, [Move(pilot_id=pilot.id, to=Status.RUNNING)], world.now())
    world.wait(hours=5)
    curve = trend(world.runtime(), hours=1)
    assert set(values(curve)) == {(1, 0, 0)}
    assert curve.begin == world.now() - timedelta(hours=1) + MINUTE


def test_it_costs_the_same_whatever_was_before(world: World) -> None:
    with statements(world.database.engine) as few:
        trend(world.runtime())
    diary = Diary(world, 9)
    for _ in range(10):
        diary.minute()
    with statements(world.database.engine) as many:
        trend(world.runtime())
    assert len(many) == len(few)
    assert len([one for one in many if "SELECT" in one]) == 1


@pytest.mark.parametrize("hours", [0, -1, 49, 10**9])
def test_only_what_is_kept_by_the_minute_is_shown(world: World, hours: int) -> None:
    with pytest.raises(Invalid, match="between 1 and 48"):
        trend(world.runtime(), hours=hours)
