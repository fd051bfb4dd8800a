"""learn: it reads each outcome once, whenever it was committed, and no old one again."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tests.expectations import statements
from tests.factories import MINUTE, a_ce, a_pilot
from tests.services.world import World
from worker.backends.sim.faults import Fault
from worker.db import clock_set_back, mover, outcomes, tallies
from worker.db.tables import transitions
from worker.domain.ce import CE
from worker.domain.pilot import Cause, Move, Status
from worker.domain.schedule import Outcome
from worker.domain.sending import Sending
from worker.policy.learning import learn as fold
from worker.policy.parameters import DEFAULTS
from worker.services.tasks import learn


def state(world: World, ce: CE) -> dict[str, object]:
    return dict(world.health(ce).learned)


def test_an_outcome_that_is_stamped_in_the_past_is_learnt_all_the_same(world: World) -> None:
    ce = world.ce()
    world.make(a_pilot().on(ce).done(), 2)
    assert learn.learn(world.runtime()).counts["outcomes"] > 0
    # The clock of a host may be behind, or a transaction may be slow to commit.
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

    state_now = state(world, ce)
    with world.database.uow() as tx:
        rows = tx.execute(select(transitions.c.id, transitions.c.learned_at))
        when = {row.id: row.learned_at for row in rows}
        tx.execute(transitions.update().values(learned_at=None, learn_after=None))
        _, events = learn.events_from(outcomes.unlearned(tx, 10_000, world.clock), DEFAULTS)
    in_order = sorted(events[ce.name], key=lambda one: (when[one[0][1]] or world.clock, one[0]))
    again = fold(None, [event for _, _, event in in_order], now=world.clock, configured=1.0)
    assert round_all(again.state) == round_all(state_now)


def round_all(value: Any) -> Any:
    """Round every number, so that errors of floating point do not count."""
    if isinstance(value, dict):
        return {key: round_all(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [round_all(item) for item in value]
    return round(value, 6) if isinstance(value, float) else value


def test_a_start_is_learnt_once_the_pilot_has_outlived_its_first_minutes(world: World) -> None:
    ce = world.ce(run_time=10_000.0)
    world.sent(ce, 2)
    world.wait(100)
    world.check(ce, world.runtime(by_hand=True))
    assert world.statuses() == {"running": 2}
    acceptances = learn.learn(world.runtime()).counts["outcomes"]
    world.wait(400)
    world.check(ce, world.runtime(by_hand=True))
    starts = learn.learn(world.runtime()).counts["outcomes"]
    assert (acceptances, starts) == (2, 2)
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


def start_pilots(world: World, number: int) -> CE:
    """Make a CE where pilots begin to run, and run learn once."""
    ce = world.ce(a_ce().with_capacity(number), run_time=100_000.0, check_latest=60.0)
    world.sent(ce, number)
    world.wait(100)
    world.check(ce, world.runtime(by_hand=True))
    assert world.statuses() == {"running": number}
    learn.learn(world.runtime())
    return ce


def read_starts(world: World) -> int:
    with world.database.uow() as tx:
        return len(outcomes.unlearned(tx, 1000, world.clock))


def test_a_start_is_not_read_again_before_it_can_be_judged(world: World) -> None:
    ce = start_pilots(world, 8)
    counts = []
    for _ in range(20):
        world.wait(30)
        counts.append(read_starts(world))
        learn.learn(world.runtime())
    # No check of this CE follows, so its starts are read again ever more rarely.
    assert not any(counts[:6])
    assert 0 < sum(map(bool, counts)) < 8
    world.check(ce, world.runtime(by_hand=True))
    world.wait(minutes=10)
    assert learn.learn(world.runtime()).counts["outcomes"] == 8


def test_a_start_is_learnt_together_with_an_end_that_decides_it(world: World) -> None:
    start_pilots(world, 3)
    world.wait(20)
    assert read_starts(world) == 0
    [first, *_] = world.pilots()
    world.change(lambda tx: mover.move(tx, [Move(pilot_id=first.id, to=Status.DONE)], world.clock))
    with world.database.uow() as tx:
        became = [one.became for one in outcomes.unlearned(tx, 1000, world.clock)]
    assert became == [Status.RUNNING, Status.DONE]
    assert learn.learn(world.runtime()).counts["outcomes"] == 2
    assert read_starts(world) == 0


def test_no_start_waits_for_a_moment_of_a_clock_that_was_set_back(world: World) -> None:
    start_pilots(world, 3)
    world.clock -= timedelta(hours=2)
    assert read_starts(world) == 0
    world.change(lambda tx: clock_set_back.clamp(tx, world.clock))
    assert read_starts(world) == 3


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
    with statements(world.database.engine) as sql:
        learn.learn(world.runtime())
    assert len(sql) < 16


def test_the_queue_of_a_ce_is_seen(world: World) -> None:
    ce = world.ce(queue_time=100_000.0)
    world.sent(ce, 2)
    sent_at = world.clock
    world.wait(600)
    [began] = world.make(a_pilot().on(ce).running().pausing(MINUTE))
    world.make(a_pilot().on(ce).done().pausing(MINUTE))
    with world.database.uow() as tx:
        queue = outcomes.queues(tx, world.clock)[ce.name]
    assert queue.oldest_waiting_since == sent_at
    assert queue.last_began == began.started_at
    assert queue.drained == 2
    learn.learn(world.runtime())
    assert world.health(ce).queue_drained == 2
    alive = [one.id for one in world.pilots() if one.status is not Status.DONE]
    moves = [Move(pilot_id=one, to=Status.DONE) for one in alive]
    world.change(lambda tx: mover.move(tx, moves, world.clock))
    world.wait(days=1)
    learn.learn(world.runtime())
    after = world.health(ce)
    assert (after.queue_drained, after.oldest_waiting_since) == (0, None)


def test_what_began_stays_in_the_queue_of_a_ce_when_it_was_folded(world: World) -> None:
    ce = world.ce(queue_time=100_000.0)
    [began] = world.make(a_pilot().on(ce).running().pausing(MINUTE))
    world.change(lambda tx: tallies.fold(tx, 1000))
    world.wait(1800)
    with world.database.uow() as tx:
        queue = outcomes.queues(tx, world.clock)[ce.name]
    assert (queue.last_began, queue.drained) == (began.started_at, 1)


def move_to(world: World, pilot_id: int, status: Status) -> None:
    moves = [Move(pilot_id=pilot_id, to=status)]
    world.change(lambda tx: mover.move(tx, moves, world.clock))


def test_what_a_ce_put_back_into_its_queue_has_not_begun(world: World) -> None:
    ce = world.ce(queue_time=100_000.0)
    [began] = world.make(a_pilot().on(ce).running().pausing(MINUTE))
    world.wait(2 * 3600)
    move_to(world, began.id, Status.SUBMITTED)
    with world.database.uow() as tx:
        queue = outcomes.queues(tx, world.clock)[ce.name]
    assert queue.oldest_waiting_since == world.clock
    assert (queue.last_began, queue.drained) == (None, 0)


def run_for_hours(world: World, ce: CE, hours: int) -> None:
    """Let the pilots of a CE run, with a check and a lesson each half an hour."""
    for _ in range(2 * hours):
        world.wait(minutes=30)
        world.check(ce, world.runtime(by_hand=True))
        learn.learn(world.runtime())


def running_lives(world: World, ce: CE) -> int:
    number: int = world.health(ce).learned["lives"]["running"]
    return number


def test_a_pilot_that_ran_for_hours_and_was_put_back_waits_since_then(world: World) -> None:
    ce = world.ce(run_time=1e6, check_latest=60.0)
    world.sent(ce, 1)
    run_for_hours(world, ce, 10)
    assert running_lives(world, ce) == 1
    world.fault(ce, Fault.REQUEUES, seconds=3 * 3600.0)
    world.wait(60)
    world.check(ce, world.runtime(by_hand=True))
    put_back_at = world.clock
    assert world.statuses() == {"submitted": 1}
    world.wait(60)
    world.check(ce, world.runtime(by_hand=True))
    learn.learn(world.runtime())
    assert world.health(ce).sending is Sending.NORMAL
    assert world.health(ce).oldest_waiting_since == put_back_at
    assert running_lives(world, ce) == 0
    run_for_hours(world, ce, 2)
    assert world.health(ce).sending_reason == "the oldest pilot waits for 31 min"


@pytest.mark.parametrize("learns_meanwhile", [True, False])
def test_a_requeue_ends_only_a_run_whose_start_was_counted(
    world: World, learns_meanwhile: bool
) -> None:
    ce = world.ce(run_time=1e6, check_latest=60.0)
    [pilot_id] = world.sent(ce, 1)
    for status in (Status.SUBMITTED, Status.RUNNING):
        world.wait(minutes=20)
        world.check(ce, world.runtime(by_hand=True))
        world.wait(minutes=20)
        world.check(ce, world.runtime(by_hand=True))
        assert world.statuses() == {"running": 1}
        if learns_meanwhile or status is Status.RUNNING:
            learn.learn(world.runtime())
        if status is Status.SUBMITTED:
            move_to(world, pilot_id, Status.SUBMITTED)
    assert running_lives(world, ce) == 1
    move_to(world, pilot_id, Status.DONE)
    learn.learn(world.runtime())
    assert running_lives(world, ce) == 0


def test_the_pilot_that_waits_for_longest_may_be_one_that_was_put_back(world: World) -> None:
    ce, other = world.ce(queue_time=1e6), world.ce(queue_time=1e6)
    first, second = world.make(a_pilot().on(ce).running().pausing(MINUTE), 2)
    world.wait(3600)

    move_to(world, second.id, Status.SUBMITTED)
    second_since = world.clock
    world.wait(60)
    world.sent(ce, 2)
    world.wait(60)
    move_to(world, first.id, Status.SUBMITTED)
    [new, _] = world.make(a_pilot().on(other).submitted(), 2)
    with world.database.uow() as tx, statements(world.database.engine) as sql:
        queues = outcomes.queues(tx, world.clock)
    assert queues[ce.name].oldest_waiting_since == second_since
    assert queues[ce.name].answered_at == world.pilot(second.id).submitted_at
    assert queues[other.name].oldest_waiting_since == new.submitted_at
    assert len(sql) == 2
    move_to(world, second.id, Status.CANCELLED)
    with world.database.uow() as tx:
        queue = outcomes.queues(tx, world.clock)[ce.name]
    assert queue.oldest_waiting_since == second_since + MINUTE


def test_a_ce_that_is_silent_is_not_stuck_and_one_that_says_so_is(world: World) -> None:
    ce = world.ce(queue_time=100_000.0)
    world.sent(ce, 2)
    world.wait(60)
    world.check(ce)
    world.fault(ce, Fault.DOWN)
    for _ in range(4):
        world.wait(15 * 60)
        world.check(ce)
        learn.learn(world.runtime())
        assert world.health(ce).sending is Sending.NORMAL
    world.mend(ce)
    world.wait(60)
    learn.learn(world.runtime())
    assert world.health(ce).sending is Sending.NORMAL, "the CE has not answered yet"
    world.wait(3600)
    assert world.check(ce).outcome is Outcome.OK
    learn.learn(world.runtime())
    assert world.health(ce).sending is Sending.PAUSED
    assert world.health(ce).sending_reason == "the oldest pilot waits for 122 min"


def test_whoever_waits_for_long_learns_of_what_began_long_ago(world: World) -> None:
    """A CE whose queue may take three hours is not stuck if a pilot began there two hours ago."""
    ce = world.ce(queue_time=100_000.0)
    [began] = world.make(a_pilot().on(ce).running().pausing(MINUTE))
    world.wait(2 * 3600)
    with world.database.uow() as tx:
        assert outcomes.queues(tx, world.clock) == {}
        queue = outcomes.queues(tx, world.clock, timedelta(hours=3))[ce.name]
    assert (queue.last_began, queue.drained) == (began.started_at, 0)
