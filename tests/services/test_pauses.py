"""Pauses: automatic, by hand, by maintenance and by draining; and their history."""

import threading
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import pytest

from tests.databases import somebody_waits
from tests.expectations import refused, statements
from tests.factories import a_ce, a_pilot
from tests.patience import until, wait_for
from tests.services.world import World
from worker.db import ces, health, maintenances, outcomes, retention, sending
from worker.db.health import FailedCall
from worker.db.maintenances import Maintenance
from worker.db.sending import SendingChange
from worker.db.uow import Transaction
from worker.domain.ce import CE
from worker.domain.errors import Invalid, NotFound, UnknownCE
from worker.domain.pilot import Status
from worker.domain.sending import Sending
from worker.domain.vo import DEFAULT_VO
from worker.services.observe import overview
from worker.services.operate import pauses
from worker.services.tasks import learn
from worker.services.tasks.dispatch import dispatch
from worker.services.tasks.submit_pilots import submit_pilots
from worker.services.tasks.sweep import sweep


def changes(world: World, ce: CE) -> list[SendingChange]:
    return pauses.history(world.runtime(), ce.name).items


def reason(world: World, ce: CE) -> str:
    submit_pilots(world.runtime(), DEFAULT_VO)
    [decision] = overview.explain(world.runtime(), ce.name)
    return decision.reason


def fail(world: World, *ces: CE) -> None:
    """Let pilots fail, and fail once more six minutes later."""
    for ce in ces:
        world.make(a_pilot().on(ce).failed(), 5)
    world.wait(minutes=6)
    for ce in ces:
        world.make(a_pilot().on(ce).failed())
    learn.learn(world.runtime())


def failing_ce(world: World) -> CE:
    """Make a CE that is paused because its pilots failed."""
    ce = world.ce(a_ce().named("broken"))
    fail(world, ce)
    assert world.health(ce).sending is Sending.PAUSED
    return ce


def test_a_ce_that_fails_is_paused_with_its_reason_and_its_history(world: World) -> None:
    ce = failing_ce(world)
    [pause] = changes(world, ce)

    assert (pause.was, pause.became, pause.by_hand) == (Sending.NORMAL, Sending.PAUSED, False)
    assert pause.reason == world.health(ce).sending_reason
    assert "failed starts in a row" in pause.reason
    assert reason(world, ce).startswith("PAUSED: ")
    [line] = overview.overview(world.runtime()).ces
    assert line.state == f"paused since {pause.at:%H:%M}Z: {pause.reason}"


def test_a_probe_that_survives_opens_it_again(world: World) -> None:
    ce = failing_ce(world)
    for _ in range(20):
        world.wait(60)
        submit_pilots(world.runtime(), DEFAULT_VO)
        probes = [p for p in world.pilots() if p.status is Status.RESERVED]
        if probes:
            break
    assert len(probes) == 1
    world.make(a_pilot().on(ce).running())
    world.wait(400)
    world.change(lambda tx: tx.connection.exec_driver_sql("UPDATE pilots SET checked_at = NULL"))
    world.make(a_pilot().on(ce).done())
    learn.learn(world.runtime())

    assert world.health(ce).sending is Sending.NORMAL
    assert [one.became for one in changes(world, ce)] == [Sending.PAUSED, Sending.NORMAL]


def test_a_pause_by_hand_holds_whatever_is_learnt_until_somebody_says_so(world: World) -> None:
    ce = world.ce()
    pauses.pause(world.runtime(), ce.name, "new disks")
    fail(world, ce)

    assert world.health(ce).sending is Sending.HELD
    assert reason(world, ce) == "held by hand: new disks"
    world.wait(days=3)
    sweep(world.runtime())
    assert world.health(ce).sending is Sending.HELD

    pauses.resume(world.runtime(), ce.name)
    assert world.health(ce).sending is Sending.NORMAL
    assert submit_pilots(world.runtime(), DEFAULT_VO).counts["reserved"] > 0
    history = [(one.was, one.became, one.by_hand) for one in changes(world, ce)]
    assert history == [
        (Sending.NORMAL, Sending.HELD, True),
        (Sending.HELD, Sending.NORMAL, True),
    ]
    with refused(Invalid, "not paused"):
        pauses.resume(world.runtime(), ce.name)


@pytest.mark.parametrize("how", ["a pause", "a maintenance"])
def test_what_is_reserved_at_a_held_ce_is_cancelled_and_nothing_is_sent(
    world: World, how: str
) -> None:
    ce = world.ce()
    world.reserve(ce, 2)
    ends = world.clock + timedelta(hours=1)
    if how == "a pause":
        pauses.pause(world.runtime(), ce.name, "new disks", ends)
    else:
        pauses.add_maintenance(world.runtime(), ce.name, "new disks", ends)

    result = dispatch(world.runtime(), ce.name)
    assert result.counts == {"cancelled": 2}
    assert result.lines[0].endswith(": new disks")
    assert world.statuses() == {"cancelled": 2}

    world.wait(hours=1)
    world.reserve(ce, 2)
    assert dispatch(world.runtime(), ce.name).counts["submitted"] == 2


@pytest.mark.parametrize(("fails", "then"), [(False, Sending.NORMAL), (True, Sending.PAUSED)])
def test_a_pause_with_an_end_ends_with_what_the_ce_has_earned(
    world: World, fails: bool, then: Sending
) -> None:
    ce = world.ce()
    ends = world.clock + timedelta(hours=2)
    pauses.pause(world.runtime(), ce.name, "new disks", ends)
    if fails:
        fail(world, ce)
    world.wait(minutes=50)
    assert sweep(world.runtime()).counts["holds ended"] == 0
    world.clock = ends
    # The hold is over at that very moment, even if the task has not run since.
    assert "held by hand" not in reason(world, ce)
    assert sweep(world.runtime()).counts["holds ended"] == 1
    assert world.health(ce).sending is then
    assert changes(world, ce)[-1].reason == "the time of its pause is over"
    assert sweep(world.runtime()).counts["holds ended"] == 0


def test_a_pause_needs_a_reason_and_a_time_to_come(world: World) -> None:
    ce = world.ce()
    with refused(Invalid, "give the reason"):
        pauses.pause(world.runtime(), ce.name, "  ")
    with refused(Invalid, "is in the past"):
        pauses.pause(world.runtime(), ce.name, "why", world.clock)
    with refused(UnknownCE, "nowhere"):
        pauses.pause(world.runtime(), "nowhere", "why")
    assert changes(world, ce) == []


def down(world: World) -> FailedCall:
    return FailedCall(at=world.clock, error="down")


def test_a_failed_call_closes_a_ce_until_its_next_try(world: World) -> None:
    ce = world.ce()
    with world.database.uow() as tx:
        health.call_failed(tx, ce.name, down(world), lambda _: world.clock + timedelta(seconds=30))
    since, again = world.clock, world.clock + timedelta(seconds=30)
    assert reason(world, ce) == (
        f"no answer since {since:%H:%M:%S}Z (down), asked again at {again:%H:%M:%S}Z"
    )
    world.wait(31)
    assert "no answer" not in reason(world, ce)


def test_what_a_call_writes_leaves_alone_what_was_learnt(world: World) -> None:
    ce = failing_ce(world)
    before = world.health(ce)
    with world.database.uow() as tx:
        health.call_failed(
            tx, ce.name, down(world), lambda count: world.clock + timedelta(seconds=count)
        )
        health.call_failed(
            tx, ce.name, down(world), lambda count: world.clock + timedelta(seconds=count)
        )
    after = world.health(ce)
    assert (after.failed_calls, after.retry_at) == (2, world.clock + timedelta(seconds=2))
    assert (after.learned, after.sending) == (before.learned, before.sending)
    with world.database.uow() as tx:
        health.call_answered(tx, ce.name, world.clock)
    assert world.health(ce) == replace(before, last_answered_at=world.clock)


def test_nothing_is_sent_in_a_maintenance(world: World) -> None:
    ce = world.ce()
    begins, ends = world.clock + timedelta(hours=1), world.clock + timedelta(hours=3)
    maintenance = Maintenance(ce=ce.name, begins_at=begins, ends_at=ends, reason="new disks")
    with world.database.uow() as tx:
        number = maintenances.add(tx, maintenance)
    assert "in maintenance" not in reason(world, ce)
    world.wait(hours=1)
    assert reason(world, ce) == f"in maintenance until {ends:%H:%M}Z: new disks"
    world.wait(hours=2)
    assert "in maintenance" not in reason(world, ce)
    with world.database.uow() as tx:
        assert maintenances.find(tx, None, world.clock) == []
        assert [one.id for one in maintenances.find(tx, ce.name, begins)] == [number]
    with refused(NotFound, "maintenance 4711"), world.database.uow() as tx:
        maintenances.remove(tx, ce.name, 4711)
    with refused(Invalid, "ends before it begins"):
        Maintenance(ce=ce.name, begins_at=ends, ends_at=begins, reason="why")


def test_a_drain_with_an_end_cancels_what_still_waits_then(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(20), queue_time=36_000.0)
    ids = world.sent(ce, 3)
    world.reserve(ce, 2)
    by = world.clock + timedelta(hours=2)
    world.change(lambda tx: ces.change(tx, ce.name, draining=True, drain_by=by))
    sweep(world.runtime())
    assert world.statuses() == {"submitted": 3, "reserved": 2}
    assert reason(world, ce) == "the CE is draining"
    world.wait(hours=2)
    assert sweep(world.runtime()).counts["cancelled"] == 5
    assert sweep(world.runtime()).counts["cancelled"] == 0

    assert world.statuses() == {"submitted": 3, "cancelled": 2}
    for _ in range(2):
        world.check(ce, world.runtime(by_hand=True))
        world.wait(400)
    assert {world.pilot(one).status for one in ids} == {Status.CANCELLED}


def meanwhile(world: World, work: Callable[[], object]) -> threading.Thread:
    """Let another process work until it is done, or waits for a lock."""
    thread = threading.Thread(target=work)
    thread.start()
    until(lambda: not thread.is_alive() or somebody_waits(world.database), "the other process")
    return thread


def test_a_ce_that_is_resumed_while_learn_runs_is_resumed(
    postgresql_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = postgresql_world
    ce = failing_ce(world)
    world.make(a_pilot().on(ce).failed())
    mark, threads = outcomes.mark, []

    def mark_and_let_somebody_resume(tx: Transaction, ids: Collection[int], now: datetime) -> None:
        resume = partial(pauses.resume, world.runtime(), ce.name)
        threads.append(meanwhile(world, resume))
        mark(tx, ids, now)

    monkeypatch.setattr(outcomes, "mark", mark_and_let_somebody_resume)
    before = world.health(ce).learned
    learn.learn(world.runtime())
    wait_for(*threads)

    assert world.health(ce).sending is Sending.NORMAL
    assert [one.became for one in changes(world, ce)] == [Sending.PAUSED, Sending.NORMAL]
    assert world.health(ce).learned["starts"]["failed"] == before["starts"]["failed"] + 1


def test_a_hold_that_is_renewed_at_its_end_goes_on(
    postgresql_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = postgresql_world
    ce = world.ce()
    pauses.pause(world.runtime(), ce.name, "new disks", world.clock + timedelta(hours=1))
    world.wait(hours=1)
    later = world.clock + timedelta(hours=1)
    holds_over = sending.holds_over

    def and_then_somebody_renews_it(tx: Transaction, now: datetime) -> list[str]:
        over = holds_over(tx, now)
        renew = partial(pauses.pause, world.runtime(), ce.name, "more disks", later)
        wait_for(meanwhile(world, renew))
        return over

    monkeypatch.setattr(sending, "holds_over", and_then_somebody_renews_it)
    sweep(world.runtime())

    health_now = world.health(ce)
    assert (health_now.sending, health_now.held_until) == (Sending.HELD, later)
    assert health_now.sending_reason == "more disks"
    assert [one.reason for one in changes(world, ce)] == ["new disks", "more disks"]


def test_the_history_of_pauses_is_written_in_one_statement(world: World) -> None:
    many = [world.ce() for _ in range(30)]
    with statements(world.database.engine) as sql:
        fail(world, *many)
    assert sum("INSERT INTO sending_changes" in one for one in sql) == 1
    with world.database.uow() as tx:
        assert retention.count(tx, "pauses", world.clock + timedelta(seconds=1)) == 30
