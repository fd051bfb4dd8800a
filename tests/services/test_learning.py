"""learn: every outcome once, whenever it was committed, at the cost of the new ones."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tests.expectations import statements
from tests.factories import MINUTE, a_ce, a_pilot
from tests.services.world import World
from worker.db import clock_set_back, mover, outcomes, tallies
from worker.db.tables import transitions
from worker.domain.ce import CE
from worker.domain.pilot import Cause, Move, Status
from worker.domain.sending import Sending
from worker.policy.learning import Queue
from worker.policy.learning import learn as fold
from worker.policy.parameters import DEFAULTS
from worker.services.tasks import learn


def state(world: World, ce: CE) -> dict[str, object]:
    return dict(world.health(ce).learned)


def test_an_outcome_that_is_stamped_in_the_past_is_learnt_all_the_same(world: World) -> None:
    ce = world.ce()
    world.make(a_pilot().on(ce).done(), 2)
    assert learn.learn(world.runtime()).counts["outcomes"] > 0
    # A host whose clock is behind, or a transaction that was slow to commit.
    world.clock -= (late := world.clock - world.clock.replace(hour=1))
    world.make(a_pilot().on(ce).failed(Cause.NODE), 2)
    world.clock += late
    assert learn.learn(world.runtime()).counts["outcomes"] > 0
    assert learn.learn(world.runtime()).counts["outcomes"] == 0


def test_what_is_stored_is_what_a_replay_of_the_history_gives(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(100), run_time=1000.0)
    for number in range(6):
        world.sent(ce, 3)
        world.make(a_pilot().on(ce).failed(Cause.NODE), number % 3)
        world.wait(170)
        world.check(ce, world.runtime(by_hand=True))
        learn.learn(world.runtime())
    for _ in range(30):
        world.wait(120)
        world.check(ce, world.runtime(by_hand=True))
        learn.learn(world.runtime())

    stored = state(world, ce)
    with world.database.uow() as tx:
        learnt = tx.execute(select(transitions.c.id, transitions.c.learned_at))
        when = {row.id: row.learned_at for row in learnt}
        tx.execute(transitions.update().values(learned_at=None, learn_after=None))
        _, events = learn.events_from(outcomes.unlearned(tx, 10_000, world.clock), DEFAULTS)
    ordered = sorted(events[ce.name], key=lambda one: (when[one[0][1]] or world.clock, one[0]))
    again = fold(None, [event for _, _, event in ordered], now=world.clock, configured=1.0)
    assert rounded(again.state) == rounded(stored)


def rounded(value: Any) -> Any:
    """Leave out what floating point adds to a number."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return round(value, 6) if isinstance(value, float) else value


def test_a_start_is_learnt_once_the_pilot_has_outlived_its_first_minutes(world: World) -> None:
    ce = world.ce(run_time=10_000.0)
    world.sent(ce, 2)
    world.wait(100)
    world.check(ce, world.runtime(by_hand=True))
    assert world.statuses() == {"running": 2}
    accepted = learn.learn(world.runtime()).counts["outcomes"]
    world.wait(400)
    world.check(ce, world.runtime(by_hand=True))
    started = learn.learn(world.runtime()).counts["outcomes"]
    assert (accepted, started) == (2, 2)
    assert learn.learn(world.runtime()).counts["outcomes"] == 0


def test_starts_that_cannot_be_judged_yet_do_not_stand_before_failures(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learn, "AT_ONCE", 10)
    young, bad = world.ce(a_ce().with_capacity(50)), world.ce()
    learn.learn(world.runtime())
    world.make(a_pilot().on(young).running(), 25)
    world.make(a_pilot().on(bad).failed(Cause.NODE), 10)
    for _ in range(15):
        learn.learn(world.runtime())
    assert world.health(bad).sending is Sending.PAUSED
    with world.database.uow() as tx:
        assert outcomes.unlearned(tx, 1000, world.clock) == []


def running(world: World, number: int) -> CE:
    """Let pilots begin to run, and learn what can be learnt of them."""
    ce = world.ce(a_ce().with_capacity(number), run_time=100_000.0, check_latest=60.0)
    world.sent(ce, number)
    world.wait(100)
    world.check(ce, world.runtime(by_hand=True))
    assert world.statuses() == {"running": number}
    learn.learn(world.runtime())
    return ce


def waiting(world: World) -> int:
    with world.database.uow() as tx:
        return len(outcomes.unlearned(tx, 1000, world.clock))


def test_a_start_is_not_read_again_before_it_can_be_judged(world: World) -> None:
    ce = running(world, 8)
    read = []
    for _ in range(20):
        world.wait(30)
        read.append(waiting(world))
        learn.learn(world.runtime())
    # Nobody checks the pilots of this CE: its starts are looked at again ever more rarely.
    assert not any(read[:6])
    assert 0 < sum(map(bool, read)) < 8
    world.check(ce, world.runtime(by_hand=True))
    world.wait(minutes=10)
    assert learn.learn(world.runtime()).counts["outcomes"] == 8


def test_a_start_is_learnt_together_with_an_end_that_decides_it(world: World) -> None:
    running(world, 3)
    world.wait(20)
    assert waiting(world) == 0
    [first, *_] = world.pilots()
    world.change(lambda tx: mover.move(tx, [Move(pilot_id=first.id, to=Status.DONE)], world.clock))
    with world.database.uow() as tx:
        became = [one.became for one in outcomes.unlearned(tx, 1000, world.clock)]
    assert became == [Status.RUNNING, Status.DONE]
    assert learn.learn(world.runtime()).counts["outcomes"] == 2
    assert waiting(world) == 0


def test_no_start_waits_for_a_moment_of_a_clock_that_was_set_back(world: World) -> None:
    running(world, 3)
    world.clock -= timedelta(hours=2)
    assert waiting(world) == 0
    world.change(lambda tx: clock_set_back.clamp(tx, world.clock))
    assert waiting(world) == 3


def test_the_cost_is_that_of_the_new_ones(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(500))
    world.make(a_pilot().on(ce).done(), 300)
    learn.learn(world.runtime())
    world.make(a_pilot().on(ce).done())
    with world.database.uow() as tx:
        assert {one.became for one in outcomes.unlearned(tx, 1000, world.clock)} <= {
            Status.SUBMITTED,
            Status.RUNNING,
            Status.DONE,
        }
        assert len(outcomes.unlearned(tx, 1000, world.clock)) <= 3
    with statements(world.database.engine) as seen:
        learn.learn(world.runtime())
    assert len(seen) < 16


def test_the_queue_of_a_ce_is_seen(world: World) -> None:
    ce = world.ce(queue_time=100_000.0)
    world.sent(ce, 2)
    sent = world.clock
    world.wait(600)
    [began] = world.make(a_pilot().on(ce).running().pausing(MINUTE))
    world.make(a_pilot().on(ce).done().pausing(MINUTE))
    with world.database.uow() as tx:
        queue = outcomes.queues(tx, world.clock)[ce.name]
    assert queue.oldest_waiting_since == sent
    assert queue.last_began == began.started_at
    assert queue.drained == 2
    learn.learn(world.runtime())
    assert world.health(ce).queue_drained == 2
    alive = [one.id for one in world.pilots() if one.status is not Status.DONE]
    moves = [Move(pilot_id=one, to=Status.DONE) for one in alive]
    world.change(lambda tx: mover.move(tx, moves, world.clock))
    world.wait(days=1)
    learn.learn(world.runtime())
    emptied = world.health(ce)
    assert (emptied.queue_drained, emptied.oldest_waiting_since) == (0, None)


def test_what_began_stays_in_the_queue_of_a_ce_when_it_was_folded(world: World) -> None:
    ce = world.ce(queue_time=100_000.0)
    [began] = world.make(a_pilot().on(ce).running().pausing(MINUTE))
    world.change(lambda tx: tallies.fold(tx, 1000))
    world.wait(1800)
    with world.database.uow() as tx:
        queue = outcomes.queues(tx, world.clock)[ce.name]
    assert (queue.last_began, queue.drained) == (began.started_at, 1)


def test_what_a_ce_put_back_into_its_queue_has_not_begun(world: World) -> None:
    ce = world.ce(queue_time=100_000.0)
    [began] = world.make(a_pilot().on(ce).running().pausing(MINUTE))
    world.wait(2 * 3600)
    put_back = [Move(pilot_id=began.id, to=Status.SUBMITTED)]
    world.change(lambda tx: mover.move(tx, put_back, world.clock))
    with world.database.uow() as tx:
        queue = outcomes.queues(tx, world.clock)[ce.name]
    assert queue == Queue(oldest_waiting_since=began.submitted_at)


def test_whoever_waits_for_long_learns_of_what_began_long_ago(world: World) -> None:
    """A CE that may take three hours is not stuck if a pilot began there two hours ago."""
    ce = world.ce(queue_time=100_000.0)
    [began] = world.make(a_pilot().on(ce).running().pausing(MINUTE))
    world.wait(2 * 3600)
    with world.database.uow() as tx:
        assert outcomes.queues(tx, world.clock) == {}
        queue = outcomes.queues(tx, world.clock, timedelta(hours=3))[ce.name]
    assert (queue.last_began, queue.drained) == (began.started_at, 0)
