"""Figures without a floor: the log that a pilot's life writes, and the policy's round."""

from dataclasses import dataclass

from tests.bench.operations import Sides
from tests.bench.sides import LATER, MINUTE
from tests.bench.world import World
from worker.domain.pilot import Status

LIVES = 1_000


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A number with its goal."""

    name: str
    value: float
    unit: str
    goal: float

    @property
    def is_met(self) -> bool:
        """Whether it meets its goal."""
        return self.value <= self.goal


def wal_of_a_life(sides: Sides) -> Figure:
    """Measure the write-ahead log of pilots from their reservation to their end.

    A checkpoint and some uncounted lives come before: the first change of a page after a checkpoint
    logs the whole page, which measures checkpoints and not pilots.
    """
    sides.world.settle()
    sides.world.hand.execute("CHECKPOINT")
    _live(sides)
    begin = _position(sides)
    _live(sides)
    size = _position(sides) - begin
    sides.world.clear()
    return Figure(
        name="write-ahead log of a pilot's life", value=size / LIVES, unit="bytes", goal=3_500
    )


def wal_of_a_check(sides: Sides) -> Figure:
    """Measure the log of a check that changes no status, as most of them do.

    Each check sets another time for the next one; with the same time it would write no index.
    """
    ids = sides.world.stage(Status.SUBMITTED, LIVES)
    sides.world.hand.execute("CHECKPOINT")
    sides.ours.check(ids, LATER)
    begin = _position(sides)
    sides.ours.check(ids, LATER + MINUTE)
    size = _position(sides) - begin
    sides.world.clear()
    return Figure(name="write-ahead log of a check", value=size / LIVES, unit="bytes", goal=1_000)


def disk_of_a_pilot(world: World) -> Figure:
    """Measure the disk space of a final pilot, with its history and all indexes."""
    row = world.hand.execute(
        "SELECT (pg_total_relation_size('pilots') + pg_total_relation_size('transitions'))"
        " / (SELECT count(*) FROM pilots)"
    ).fetchall()[0]
    return Figure(name="disk of a pilot with its history", value=row[0], unit="bytes", goal=2_000)


def _live(sides: Sides) -> None:
    last = _last(sides)
    sides.ours.submit(sides.world.grants(LIVES))
    rows = sides.world.hand.execute("SELECT id FROM pilots WHERE id > %s", [last])
    ids = [row[0] for row in rows]
    sides.ours.start(ids)
    sides.ours.move(ids)


def _last(sides: Sides) -> int:
    row = sides.world.hand.execute("SELECT max(id) FROM pilots").fetchall()[0]
    return int(row[0])


def _position(sides: Sides) -> int:
    row = sides.world.hand.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn").fetchall()[
        0
    ]
    return int(row[0])
