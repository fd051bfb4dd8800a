"""After the clock is set back an hour, nothing is lost or done twice, or waits for an hour."""

import logging
from datetime import timedelta

import pytest

from tests.factories import NOW, a_ce, a_pilot
from tests.services.world import Broken, World
from worker.db import clock_set_back, demands, health, locks, webhook_events
from worker.db.health import FailedCall
from worker.domain.ce import CE
from worker.domain.errors import Unavailable
from worker.domain.schedule import Outcome
from worker.domain.sending import Sending
from worker.domain.vo import DEFAULT_VO
from worker.domain.webhook import WebhookEventKind
from worker.services import ce_calls
from worker.services.observe import cycles, overview
from worker.services.tasks import catalogue, learn, ticks
from worker.services.tasks.dispatch import dispatch
from worker.services.tasks.execute import execute
from worker.services.tasks.submit_pilots import submit_pilots
from worker.services.tasks.sweep import sweep

HOUR = timedelta(hours=1)
SOON = timedelta(minutes=10)


@pytest.fixture(autouse=True)
def _fire_all(world: World) -> None:
    """Let every task fire once."""
    ticks.seed(world.database, world.clock)
    ticks.claim_due(world.database, world.clock)


def work(world: World, until: timedelta) -> None:
    """Set the clock back, and let the factory work for a while."""
    world.clock -= HOUR
    begin = world.clock
    while world.clock < begin + until:
        for firing in ticks.claim_due(world.database, world.clock)[0]:
            execute(firing.task, firing.subject, world.runtime())
        world.wait(60)


def test_every_interval_fires_again_and_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    ce = world.ce()
    world.make(a_pilot().on(ce).reserved())
    world.make(a_pilot().on(ce))
    world.clock -= HOUR
    with caplog.at_level(logging.WARNING):
        names = [one.task.name for one in ticks.claim_due(world.database, world.clock)[0]]

    assert len(names) == len(set(names))
    assert set(names) == {task.name for task in catalogue.tasks().values() if task.every} - {
        "ask_demand"
    }
    assert ticks.claim_due(world.database, world.clock)[0] == []
    assert [record.message for record in caplog.records] == [
        "the clock was set back: ticks far in the future fire now"
    ]


def test_a_cron_line_that_has_fired_does_not_fire_again(world: World) -> None:
    world.clock = NOW + timedelta(hours=1)
    assert "report" in [f.task.name for f in ticks.claim_due(world.database, world.clock)[0]]
    world.clock -= timedelta(minutes=30)
    world.wait(minutes=30)
    assert "report" not in [f.task.name for f in ticks.claim_due(world.database, world.clock)[0]]


def test_clocks_that_differ_a_little_fire_nothing_twice(world: World) -> None:
    for _ in range(20):
        world.wait(60)
        names = [f.task.name for f in ticks.claim_due(world.database, world.clock)[0]]
        behind = ticks.claim_due(world.database, world.clock - timedelta(seconds=30))[0]
        assert "submit_pilots" in names
        assert behind == []


def test_what_runs_is_checked(world: World) -> None:
    ce = world.ce(run_time=60.0)
    world.sent(ce, 2)
    work(world, SOON)
    assert world.statuses().get("done", 0) >= 2


def test_one_that_never_arrived_frees_its_slot(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(1), visibility_delay=30)
    world.reserve(ce, 1)
    dispatch(world.with_driver(Broken(Unavailable("lost"), after=False), by_hand=True), ce.name)
    [pilot] = world.pilots()
    work(world, SOON)
    assert world.pilot(pilot.id).status == "lost"


def test_the_lease_of_the_dead_runs_out(world: World) -> None:
    ce = world.ce()
    name = ce_calls.lease_name(ce.name)
    world.change(lambda tx: locks.take_lease(tx, name, "dead", world.clock, timedelta(minutes=3)))
    work(world, timedelta(minutes=2))
    assert world.lease(ce) is None


def test_a_ce_that_is_backed_off_is_called_again(world: World) -> None:
    ce = world.ce()
    world.change(
        lambda tx: health.call_failed(
            tx,
            ce.name,
            FailedCall(at=world.clock, error="down"),
            lambda n: world.clock + timedelta(minutes=10),
        )
    )
    work(world, timedelta(minutes=2))
    assert world.health(ce).retry_at is None


def test_one_that_is_missing_is_given_all_its_time(world: World) -> None:
    ce = world.ce()
    [pilot] = world.make(a_pilot().on(ce).due_at(world.clock))
    check_twice(world, ce)
    work(world, timedelta(minutes=9))
    assert world.pilot(pilot.id).status == "submitted"
    world.clock += HOUR
    work(world, timedelta(minutes=12))
    assert world.pilot(pilot.id).status == "lost"


def test_no_pilot_waits_for_a_clock_that_a_process_had_a_moment_longer(world: World) -> None:
    ce = world.ce()
    ahead, soon = world.clock + timedelta(days=365), world.clock + timedelta(days=1)
    [late] = world.make(a_pilot().on(ce).due_at(ahead))
    [patient] = world.make(a_pilot().on(ce).due_at(soon))
    sweep(world.runtime())
    assert world.pilot(late.id).next_check_at == world.clock
    assert world.pilot(patient.id).next_check_at == soon


def check_twice(world: World, ce: CE) -> None:
    for _ in range(2):
        assert world.check(ce, world.runtime(by_hand=True)).outcome is Outcome.OK
        world.wait(15)


@pytest.mark.parametrize("jump", [timedelta(days=1), timedelta(days=365)])
def test_a_clock_that_was_set_ahead_and_back_again_stops_no_schedule(
    world: World, jump: timedelta
) -> None:
    world.clock += jump
    ticks.claim_due(world.database, world.clock)
    world.clock -= jump

    def late() -> list[str]:
        return [
            one.task
            for one in ticks.list_schedules(world.runtime())
            if one.next_at is not None and one.next_at > world.clock + timedelta(days=1, hours=2)
        ]

    ticks.claim_due(world.database, world.clock)
    assert late() == []
    assert {s.task for s in ticks.list_schedules(world.runtime()) if s.cron} >= {"report", "prune"}


def test_a_ce_that_is_paused_is_probed(world: World) -> None:
    ce = world.ce()
    world.make(a_pilot().on(ce).failed(), 9)
    learn.learn(world.runtime())
    assert world.health(ce).sending is Sending.PAUSED
    sent = len(world.pilots())
    work(world, SOON)
    assert len(world.pilots()) > sent


def test_a_ce_at_which_pilots_survive_again_is_normal(world: World) -> None:
    ce = world.ce(queue_time=10.0, run_time=1e6, check_latest=60.0)
    world.make(a_pilot().on(ce).failed(), 9)
    learn.learn(world.runtime())
    work(world, 2 * SOON)
    assert world.health(ce).sending is Sending.NORMAL


def test_what_is_decided_is_shown_at_once(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(7))
    submit_pilots(world.runtime(), DEFAULT_VO)
    world.clock -= HOUR
    submit_pilots(world.runtime(), DEFAULT_VO)
    now = world.clock

    [decision] = overview.explain(world.runtime(), ce.name)
    assert (decision.at, decision.reason) == (now, "no free slot")
    [cycle] = cycles.last_cycles(world.runtime())
    assert (cycle.at, dict(cycle.granted)) == (now, {ce.name: 0})
    [before] = overview.explain(world.runtime(), ce.name, at=now + HOUR)
    assert (before.at, before.granted) == (now + HOUR, 7)


def test_cycles_that_decide_the_same_are_one_row(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(0))
    submit_pilots(world.runtime(), DEFAULT_VO)
    world.clock -= HOUR
    for _ in range(3):
        world.wait(60)
        submit_pilots(world.runtime(), DEFAULT_VO)
    [decision] = overview.explain(world.runtime(), ce.name)
    assert (decision.at, decision.times) == (world.clock, 3)


def test_an_event_of_the_webhook_does_not_wait(world: World) -> None:
    world.change(lambda tx: webhook_events.add(tx, [(WebhookEventKind.TEST, {})], world.clock))
    with world.database.uow() as tx:
        [event] = webhook_events.due(tx, world.clock, 1)
        webhook_events.postpone(tx, event, world.clock)
    world.clock -= HOUR
    world.change(lambda tx: clock_set_back.clamp(tx, world.clock))
    with world.database.uow() as tx:
        assert len(webhook_events.due(tx, world.clock, 1)) == 1


def test_an_old_answer_of_a_demand_source_is_not_fresh_for_longer(world: World) -> None:
    vo = world.vo()
    world.change(lambda tx: demands.answered(tx, vo.name, 7, world.clock))
    world.clock -= HOUR
    sweep(world.runtime())
    with world.database.uow() as tx:
        assert demands.get_all(tx)[vo.name].answered_at == world.clock
