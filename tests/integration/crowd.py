"""The work of many processes at the same time. Each function runs in a process of its own."""

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
    """The orders for one process."""

    url: str
    seed: int = 0
    rounds: int = 0
    moves: bool = False
    locks: bool = True
    ce_names: tuple[str, ...] = ()
    vo_names: tuple[str, ...] = ()


def together(work: Callable[[Orders], T], orders: list[Orders]) -> list[T]:
    """Start a process for each of the orders, all at once; raise the error of any process."""
    context = get_context("spawn")
    start = context.Barrier(len(orders))
    with ProcessPoolExecutor(
        len(orders), mp_context=context, initializer=_remember, initargs=(start,)
    ) as crowd:
        return list(crowd.map(work, orders))


def reserve_at_random(orders: Orders) -> None:
    """Reserve in many rounds, move pilots if `moves`, and then reserve all that is left."""
    if not orders.locks:
        slots._locked_in = without_lock
    dice = random.Random(orders.seed)
    with _working(orders) as database:
        running_ids: list[int] = []
        for _ in range(orders.rounds):
            grants = [
                Grant(vo=dice.choice(orders.vo_names), ce=ce, count=dice.randint(1, 5))
                for ce in dice.sample(orders.ce_names, dice.randint(1, 6))
            ]
            with database.uow() as tx:
                pilots.reserve(tx, grants, datetime.now(UTC))
            if orders.moves:
                _go_on(database, dice, dice.choice(orders.ce_names), running_ids)
        with database.uow() as tx:
            everywhere = [Grant(vo=DEFAULT_VO, ce=ce, count=PLENTY) for ce in orders.ce_names]
            pilots.reserve(tx, everywhere, datetime.now(UTC))


def claim_all(orders: Orders) -> list[int]:
    """Claim three pilots at a time until none is left; wait for the others after the first."""
    claimed_ids: list[int] = []
    with _working(orders) as database:
        while True:
            with database.uow() as tx:
                some = pilots.claim(tx, orders.ce_names[0], 3, datetime.now(UTC))
            if not some:
                return claimed_ids
            if not claimed_ids:
                # On a busy machine one process could claim all pilots before another one begins.
                _wait_for_all()
            claimed_ids += [one.pilot_id for one in some]


def move_or_check(orders: Orders) -> None:
    """Move or check the same pilots as the other processes, each time in another order."""
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
    """Migrate the database; return the status of each chain."""
    with _working(orders) as database:
        return [chain.status for chain in care.migrate(database)]


def add_ces(orders: Orders) -> tuple[int, int]:
    """Add CEs; return how many were added, and how many names existed already."""
    successes = refusals = 0
    with _working(orders) as database:
        for name in orders.ce_names:
            try:
                with database.uow() as tx:
                    ces.add(tx, CE(name=name, backend="sim", capacity=1))
                successes += 1
            except AlreadyExists:
                refusals += 1
    return successes, refusals


@cache
def without_lock(dialect: str, table: Table) -> Select[Any]:
    """Return the query of a reservation, without its lock."""
    plain = LOCKED_IN(dialect, table)._generate()
    plain._for_update_arg = None
    return plain


LOCKED_IN = slots._locked_in
"""The original query, which locks; a process may replace it."""


def _go_on(database: Database, dice: random.Random, ce: str, running_ids: list[int]) -> None:
    """Send some pilots, let them run, and end three of those that run."""
    now = datetime.now(UTC)
    with database.uow() as tx:
        claims = pilots.claim(tx, ce, dice.randint(1, 4), now)
    with database.uow() as tx:
        receipts = [receipt_move(pilot_id=one.pilot_id, handle=one.stamp) for one in claims]
        pilots.record(tx, receipts, now)
    with database.uow() as tx:
        mover.move(tx, [Move(pilot_id=one.pilot_id, to=Status.RUNNING) for one in claims], now)
    running_ids += [one.pilot_id for one in claims]
    dice.shuffle(running_ids)
    ended_ids, running_ids[:] = running_ids[:3], running_ids[3:]
    with database.uow() as tx:
        to = dice.choice([Status.DONE, Status.FAILED, Status.LOST])
        mover.move(tx, [Move(pilot_id=i, to=to) for i in ended_ids], now)


def _remember(start: Barrier) -> None:
    global barrier  # noqa: PLW0603  # a barrier cannot be sent, only inherited
    barrier = start


@contextmanager
def _working(orders: Orders) -> Iterator[Database]:
    chains = [backend.chain for backend in registry.discover().values()]
    database = Database(parse_url(orders.url), chains)
    _wait_for_all()
    try:
        yield database
    finally:
        database.engine.dispose()


def _wait_for_all() -> None:
    if barrier is not None:
        barrier.wait(LONGEST)
