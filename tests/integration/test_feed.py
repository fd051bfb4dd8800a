"""The feed of transitions on real commits: nothing is lost and nothing comes twice."""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from sqlalchemy import delete, select

from tests.expectations import refused, statements
from tests.factories import NOW, a_ce, a_pilot, a_vo
from tests.patience import until, wait_for
from tests.services.world import World
from worker.db import mover, restored
from worker.db.database import Database
from worker.db.tables import pilots, transitions
from worker.db.uow import Transaction
from worker.domain.change import Actor
from worker.domain.errors import Invalid
from worker.domain.feed import PilotEvent
from worker.domain.pilot import Cause, Move, Pilot, Status
from worker.services.observe.feed import Feed, Reading
from worker.services.runtime import Runtime

LONG_AGO = NOW - timedelta(hours=1)
OTHER = {Status.SUBMITTED: Status.RUNNING, Status.RUNNING: Status.SUBMITTED}


@pytest.fixture
def runtime(database: Database, tmp_path: Path) -> Runtime:
    return World(database, tmp_path).runtime()


@pytest.fixture
def on_postgresql(postgresql_database: Database, tmp_path: Path) -> Runtime:
    return World(postgresql_database, tmp_path).runtime()


def make(runtime: Runtime, number: int = 1) -> list[Pilot]:
    with runtime.database.uow() as tx:
        return a_pilot().on(a_ce().create(tx)).at(LONG_AGO).running().create_many(tx, number)


def move(tx: Transaction, *ids: int, to: Status = Status.DONE) -> None:
    cause = Cause.UNKNOWN if to is Status.FAILED else None
    moves = [Move(pilot_id=i, to=to, cause=cause) for i in ids]
    assert mover.move(tx, moves, NOW).moved == set(ids)


def all_ids(runtime: Runtime) -> list[int]:
    with runtime.database.uow() as tx:
        return list(tx.execute(select(transitions.c.id).order_by(transitions.c.id)).scalars())


@contextmanager
def open_move(runtime: Runtime, pilot: Pilot) -> Iterator[Any]:
    """Move a pilot in a transaction; the test commits it or it is rolled back."""
    with runtime.database.engine.connect() as connection, connection.begin() as outer:
        move(Transaction(connection, Actor(who="writer")), pilot.id)
        yield outer


def ticking(step: float = 0.4) -> Callable[[], float]:
    """Return a clock that moves on with each look at it."""
    ticks = count()
    return lambda: next(ticks) * step


def drain(feed: Feed, limit: int = 500) -> list[int]:
    """Read until there are no more events; return their ids."""
    ids: list[int] = []
    while (reading := feed.read(limit)).events or reading.is_full:
        ids += [event.id for event in reading.events]
    return ids


def read_all(feed: Feed, runtime: Runtime) -> list[PilotEvent]:
    """Read up to the newest id. Writers of any database of the server delay what follows a gap."""
    events: list[PilotEvent] = []
    newest = all_ids(runtime)[-1]

    def has_read_all() -> bool:
        events.extend(feed.read().events)
        return feed.position is not None and feed.position >= newest

    until(has_read_all, f"the event {newest}", progress=lambda: feed.position)
    return events


def test_an_event_says_whose_it_is(runtime: Runtime) -> None:
    with runtime.database.uow() as tx:
        ce, vo = a_ce().named("ce01").create(tx), a_vo().named("atlas").create(tx)
        pilot = a_pilot().on(ce).for_vo(vo).submitted().create(tx)
    # There may be a gap before the first id. The feed waits for it until this clock has moved on.
    seconds = count(step=10)
    feed = Feed(runtime, after=0, clock=lambda: float(next(seconds)))
    [event] = read_all(feed, runtime)

    assert (event.stamp, event.ce, event.vo) == (pilot.stamp, "ce01", "atlas")
    assert (event.pilot_id, event.was, event.became) == (
        pilot.id,
        Status.SUBMITTING,
        Status.SUBMITTED,
    )
    assert event.at == NOW


def test_a_new_feed_begins_with_what_comes_next(runtime: Runtime) -> None:
    pilot, *_ = make(runtime)
    feed = Feed(runtime)
    before = feed.read()
    with runtime.database.uow() as tx:
        move(tx, pilot.id)
    after = feed.read()

    assert (before.events, before.position, before.begins_at) == ((), all_ids(runtime)[-2], None)
    assert [event.became for event in after.events] == [Status.DONE]
    assert feed.position == after.position == all_ids(runtime)[-1]
    assert feed.read() == Reading(events=(), position=after.position)


def test_a_feed_of_an_empty_database_begins_at_its_beginning(runtime: Runtime) -> None:
    feed = Feed(runtime, clock=ticking(2.0))
    assert feed.read() == Reading(events=(), position=0)
    make(runtime)
    read_all(feed, runtime)

    assert feed.position == all_ids(runtime)[-1]


def test_the_position_goes_on_over_what_the_filters_hide(runtime: Runtime) -> None:
    make(runtime)
    with runtime.database.uow() as tx:
        ce = a_ce().named("of-its-own").create(tx)
        a_ce().named("empty").create(tx)
        pilot = a_pilot().on(ce).running().create(tx)
    first, *_, last = all_ids(runtime)
    filtered = Feed(runtime, first, ce="empty").read()
    visible = Feed(runtime, first, ce=ce.name, vo="default", statuses=[Status.RUNNING]).read()

    assert (filtered.events, filtered.position, visible.position) == ((), last, last)
    assert [(e.pilot_id, e.became) for e in visible.events] == [(pilot.id, Status.RUNNING)]


def test_a_reading_has_a_limit_and_says_that_more_follows(runtime: Runtime) -> None:
    make(runtime, 3)
    first, *others = all_ids(runtime)
    feed = Feed(runtime, first)
    reading = feed.read(limit=2)

    assert (reading.position, reading.is_full) == (others[1], True)
    assert [event.id for event in reading.events] + drain(feed, 2) == others
    for limit in (0, 1001):
        with refused(Invalid, "limit"):
            feed.read(limit)
    with refused(Invalid, "after"):
        Feed(runtime, -1)


def test_a_reading_is_one_statement_and_the_first_one_two(runtime: Runtime) -> None:
    make(runtime, 3)
    for after in (None, 0, 10**9):
        feed = Feed(runtime, after)
        with statements(runtime.database.engine) as first:
            feed.read()
        with statements(runtime.database.engine) as second:
            feed.read()
        assert [len([s for s in queries if "SELECT" in s]) for queries in (first, second)] == [2, 1]


def test_who_goes_on_from_what_was_pruned_is_warned(runtime: Runtime) -> None:
    [old], _ = make(runtime), make(runtime)
    first = all_ids(runtime)[0]
    kept_from = all_ids(runtime)[len(all_ids(runtime)) // 2]
    with runtime.database.uow() as tx:
        tx.execute(delete(pilots).where(pilots.c.id == old.id))
    feed = Feed(runtime, first, clock=ticking(2.0))
    reading = feed.read()
    ids = [event.id for event in (*reading.events, *read_all(feed, runtime))]

    assert reading.begins_at == kept_from
    assert ids == all_ids(runtime)


def test_who_goes_on_from_what_is_younger_than_retention_is_not(runtime: Runtime) -> None:
    make(runtime)
    first = all_ids(runtime)[0]
    later = replace(runtime, now=lambda: NOW + runtime.keep_final + timedelta(seconds=1))

    assert Feed(runtime, first).read().begins_at is None
    assert Feed(later, first).read().begins_at == all_ids(runtime)[1]


def test_a_position_of_another_database_is_left_for_the_newest(runtime: Runtime) -> None:
    [pilot] = make(runtime)
    newest = all_ids(runtime)[-1]
    feed = Feed(runtime, after=10**12)
    reading = feed.read()
    with runtime.database.uow() as tx:
        move(tx, pilot.id)

    assert (reading.position, reading.begins_at) == (newest, newest + 1)
    assert drain(feed) == all_ids(runtime)[-1:]


def test_no_id_is_used_twice_even_if_the_newest_is_pruned(runtime: Runtime) -> None:
    [pilot] = make(runtime)
    newest = all_ids(runtime)[-1]
    with runtime.database.uow() as tx:
        tx.execute(delete(pilots).where(pilots.c.id == pilot.id))
    make(runtime)

    assert all_ids(runtime)[0] > newest


def test_no_id_is_used_twice_after_a_restore(runtime: Runtime) -> None:
    make(runtime)
    newest = all_ids(runtime)[-1]
    with runtime.database.uow() as tx:
        restored.settle(tx, NOW)
    make(runtime)

    assert all_ids(runtime)[-1] > newest + restored.IDS_LEFT_OUT


@pytest.mark.postgresql
@pytest.mark.parametrize("commits", [True, False])
def test_a_higher_id_waits_for_a_lower_one(on_postgresql: Runtime, commits: bool) -> None:
    slow, fast = make(on_postgresql, 2)
    begin = all_ids(on_postgresql)[-1]
    feed = Feed(on_postgresql, begin, clock=ticking())
    with open_move(on_postgresql, slow) as writer:
        with on_postgresql.database.uow() as tx:
            move(tx, fast.id)
        for _ in range(10):
            assert feed.read().position == begin
        if commits:
            writer.commit()
        else:
            writer.rollback()
    pilot_ids = [event.pilot_id for event in read_all(feed, on_postgresql)]

    assert pilot_ids == ([slow.id, fast.id] if commits else [fast.id])


@pytest.mark.postgresql
def test_a_new_feed_begins_below_what_is_not_committed_yet(on_postgresql: Runtime) -> None:
    slow, fast = make(on_postgresql, 2)
    begin = all_ids(on_postgresql)[-1]
    with open_move(on_postgresql, slow) as writer:
        with on_postgresql.database.uow() as tx:
            move(tx, fast.id)
        new = Feed(on_postgresql, clock=ticking())
        astray = Feed(on_postgresql, 10**12, clock=ticking())
        assert new.read().position == astray.read().position == begin
        writer.commit()

    assert drain(new) == drain(astray) == all_ids(on_postgresql)[-2:]


@pytest.mark.postgresql
def test_a_gap_that_nobody_can_fill_does_not_delay_a_new_feed(on_postgresql: Runtime) -> None:
    slow, fast = make(on_postgresql, 2)
    with open_move(on_postgresql, slow), on_postgresql.database.uow() as tx:
        move(tx, fast.id)

    until(lambda: Feed(on_postgresql).read().position == all_ids(on_postgresql)[-1])


@dataclass
class Follower:
    """A reader that is sometimes cut off, and goes on from its position."""

    runtime: Runtime
    dice: random.Random
    clock: Callable[[], float] = monotonic
    ids: list[int] = field(default_factory=list)
    position: int = 0

    def __post_init__(self) -> None:
        self.position = (all_ids(self.runtime) or [0])[-1]
        self.connect()

    def connect(self) -> None:
        self.feed = Feed(self.runtime, self.position, clock=self.clock)
        self.cut_at = len(self.ids) + self.dice.randint(1, 60)

    def read(self) -> None:
        reading = self.feed.read(50)
        self.ids += [event.id for event in reading.events]
        self.position = reading.position
        if len(self.ids) >= self.cut_at:
            self.connect()

    def reaches(self, position: int) -> bool:
        self.read()
        return self.position == position


@pytest.mark.postgresql
@pytest.mark.parametrize("seed", range(3))
def test_transactions_that_end_in_another_order_lose_nothing(
    on_postgresql: Runtime, seed: int
) -> None:
    dice = random.Random(seed)
    crowd = make(on_postgresql, 6)
    states = {pilot.id: Status.RUNNING for pilot in crowd}
    follower = Follower(on_postgresql, dice, ticking(0.3))
    before = follower.position
    connections = [on_postgresql.database.engine.connect() for _ in crowd]
    for _ in range(300):
        index = dice.randrange(len(crowd))
        connection, pilot = connections[index], crowd[index]
        action = dice.choice(["move", "move", "commit", "commit", "roll back", "read", "read"])
        if action == "move" and not connection.in_transaction():
            move(Transaction(connection, Actor(who="w")), pilot.id, to=OTHER[states[pilot.id]])
        elif action == "commit" and connection.in_transaction():
            connection.commit()
            states[pilot.id] = OTHER[states[pilot.id]]
        elif action == "roll back":
            connection.rollback()
        else:
            follower.read()
    for connection in connections:
        connection.rollback()
        connection.close()
    numbers = [number for number in all_ids(on_postgresql) if number > before]
    until(lambda: follower.reaches(numbers[-1]))

    assert follower.ids == numbers


WRITERS, ROUNDS = 4, 60


def write(runtime: Runtime, some: list[Pilot], seed: int) -> None:
    """Move pilots back and forth in transactions that are slow or fail."""
    dice, status = random.Random(seed), Status.RUNNING
    pause = threading.Event()
    for _ in range(ROUNDS):
        fails = dice.random() < 0.3
        try:
            with runtime.database.uow() as tx:
                for pilot in some:
                    move(tx, pilot.id, to=OTHER[status])
                    pause.wait(dice.random() * 0.01)
                if fails:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            continue
        status = OTHER[status]


@pytest.mark.postgresql
def test_a_reader_beside_many_writers_gets_each_transition_once(on_postgresql: Runtime) -> None:
    crowd = [make(on_postgresql, 3) for _ in range(WRITERS)]
    follower = Follower(on_postgresql, random.Random(0))
    before = follower.position
    threads = [
        threading.Thread(target=write, args=[on_postgresql, some, seed])
        for seed, some in enumerate(crowd)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        follower.read()
    wait_for(*threads)
    numbers = [number for number in all_ids(on_postgresql) if number > before]
    until(
        lambda: follower.reaches(numbers[-1]),
        progress=lambda: follower.position,
    )

    assert len(numbers) > WRITERS * ROUNDS
    assert follower.ids == numbers
