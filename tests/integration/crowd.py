"""What the processes of a crowd do. Everything here runs in a process of its own."""

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from multiprocessing import get_context
from threading import Barrier
from typing import Any, TypeVar

from sqlalchemy import Select, Table

from tests.patience import LONGEST
from worker.backends import registry
from worker.db import ces, mover, pilot_reads, pilots, slots
from worker.db.database import Database
from worker.db.engine import parse_url
from worker.db.pilots import receipt_move
from worker.domain.ce import CE
from worker.domain.errors import AlreadyExists
from worker.domain.pilot import Check, Grant, Move, Status
from worker.domain.vo import DEFAULT_VO
from worker.services.operate import database as care

PLENTY = 1000
T = TypeVar("T")
barrier: Barrier | None = None


@dataclass(frozen=True, kw_only=True)
class Orders:
    """What one process is told."""

    url: str
    seed: int = 0
    rounds: int = 0
    moves: bool = False
    locked: bool = True
    ce_names: tuple[str, ...] = ()
    vo_names: tuple[str, ...] = ()


def together(work: Callable[[Orders], T], orders: list[Orders]) -> list[T]:
    """Let a crowd work at the same time, a process each; an error of one is raised here."""
    context = get_context("spawn")
    start = context.Barrier(len(orders))
    with ProcessPoolExecutor(
        len(orders), mp_context=context, initializer=_remember, initargs=(start,)
    ) as crowd:
        return list(crowd.map(work, orders))


def reserve_at_random(orders: Orders) -> None:
    """Reserve in many rounds, and bring pilots to their end where told; then take all there is."""
    if not orders.locked:
        slots._locked_in = unlocked
    dice = random.Random(orders.seed)
    with _working(orders) as database:
        running: list[int] = []
        for _ in range(orders.rounds):
            grants = [
                Grant(vo=dice.choice(orders.vo_names), ce=ce, count=dice.randint(1, 5))
                for ce in dice.sample(orders.ce_names, dice.randint(1, 6))
            ]
            with database.uow() as tx:
                pilots.reserve(tx, grants, datetime.now(UTC))
            if orders.moves:
                _go_on(database, dice, dice.choice(orders.ce_names), running)
        with database.uow() as tx:
            everywhere = [Grant(vo=DEFAULT_VO, ce=ce, count=PLENTY) for ce in orders.ce_names]
            pilots.reserve(tx, everywhere, datetime.now(UTC))


def claim_all(orders: Orders) -> list[int]:
    """Claim a few at a time until nothing is left; wait for the others after the first few."""
    claimed: list[int] = []
    with _working(orders) as database:
        while True:
            with database.uow() as tx:
                some = pilots.claim(tx, orders.ce_names[0], 3, datetime.now(UTC))
            if not some:
                return claimed
            if not claimed:
                # On a busy machine one of them would have all before another begins.
                _wait_for_all()
            claimed += [one.pilot_id for one in some]


def move_or_check(orders: Orders) -> None:
    """Move or check the same pilots as everybody else, each time in another order."""
    dice = random.Random(orders.seed)
    with _working(orders) as database:
        with database.uow() as tx:
            ids = [pilot.id for pilot in pilot_reads.find(tx).items]
        for _ in range(orders.rounds):
            now = datetime.now(UTC)
            some = dice.sample(ids, len(ids) // 2)
            with database.uow() as tx:
                if orders.moves:
                    to = dice.choice([Status.SUBMITTED, Status.RUNNING])
                    mover.move(tx, [Move(pilot_id=i, to=to) for i in some], now)
                else:
                    later = now + timedelta(minutes=1)
                    pilots.checked(tx, [Check(pilot_id=i, next_check_at=later) for i in some], now)


def migrate(orders: Orders) -> list[str]:
    """Bring a database up to date."""
    with _working(orders) as database:
        return [chain.status for chain in care.migrate(database)]


def add_ces(orders: Orders) -> tuple[int, int]:
    """Add CEs of given names; tell how many could be added and how many names were taken."""
    made = taken = 0
    with _working(orders) as database:
        for name in orders.ce_names:
            try:
                with database.uow() as tx:
                    ces.add(tx, CE(name=name, backend="sim", capacity=1))
                made += 1
            except AlreadyExists:
                taken += 1
    return made, taken


@cache
def unlocked(dialect: str, table: Table) -> Select[Any]:
    """Read what a reservation reads, without locking it."""
    plain = LOCKED_IN(dialect, table)._generate()
    plain._for_update_arg = None
    return plain


LOCKED_IN = slots._locked_in
"""What reads and locks as we do it, before a crowd puts the other in its place."""


def _go_on(database: Database, dice: random.Random, ce: str, running: list[int]) -> None:
    """Send some pilots, let them run, and end some of those that ran before."""
    now = datetime.now(UTC)
    with database.uow() as tx:
        claimed = pilots.claim(tx, ce, dice.randint(1, 4), now)
    with database.uow() as tx:
        receipts = [receipt_move(pilot_id=one.pilot_id, handle=one.stamp) for one in claimed]
        pilots.record(tx, receipts, now)
    with database.uow() as tx:
        mover.move(tx, [Move(pilot_id=one.pilot_id, to=Status.RUNNING) for one in claimed], now)
    running += [one.pilot_id for one in claimed]
    dice.shuffle(running)
    ended, running[:] = running[:3], running[3:]
    with database.uow() as tx:
        to = dice.choice([Status.DONE, Status.FAILED, Status.LOST])
        mover.move(tx, [Move(pilot_id=i, to=to) for i in ended], now)


def _remember(start: Barrier) -> None:
    global barrier  # noqa: PLW0603  # a barrier cannot be sent, only inherited
    barrier = start


@contextmanager
def _working(orders: Orders) -> Iterator[Database]:
    found = registry.discover().values()
    database = Database(parse_url(orders.url), [backend.chain for backend in found])
    _wait_for_all()
    try:
        yield database
    finally:
        database.engine.dispose()


def _wait_for_all() -> None:
    if barrier is not None:
        barrier.wait(LONGEST)
