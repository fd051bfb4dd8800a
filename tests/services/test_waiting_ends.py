"""An end that was asked for because a pilot waits applies only while it waits."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest

from tests.factories import a_ce
from tests.services.world import Fake, World
from worker.db import ces, mover, pilot_reports, pilots, vos
from worker.domain.ce import CE
from worker.domain.ce_answers import Job, Observed
from worker.domain.pilot import Move, Status
from worker.domain.vo import DEFAULT_VO
from worker.services.tasks.submit_pilots import SURPLUS_LASTS, submit_pilots
from worker.services.tasks.sweep import DRAINED, sweep

HOUR = timedelta(hours=1)
BEGINS, LONG = 3500.0, 1_000_000.0
"""Seconds: when a pilot usually begins, and longer than any of these tests."""


def waiting(world: World, begins: float = BEGINS) -> tuple[CE, int]:
    """Send a pilot of which its CE said last that it waits: shortly before `BEGINS`."""
    ce = world.ce(a_ce().named("lyon"), queue_time=begins, run_time=LONG)
    [pilot] = world.sent(ce, 1)
    world.wait(BEGINS - 100)
    world.check(ce, world.runtime(by_hand=True))
    assert world.pilot(pilot).status is Status.SUBMITTED
    return ce, pilot


def drain(world: World, ce: CE, *, end_running: bool = False) -> None:
    """Let the drain of a CE reach its end."""
    values = {"draining": True, "drain_by": world.clock, "end_running": end_running}
    world.change(lambda tx: ces.change(tx, ce.name, **values))
    sweep(world.runtime())


def let_it_time_out(world: World, ce: CE) -> None:
    world.change(lambda tx: ces.change(tx, ce.name, wait_at_most=HOUR / 2))
    sweep(world.runtime())


def lower_the_demand(world: World, ce: CE) -> None:
    world.change(lambda tx: vos.change(tx, DEFAULT_VO, demand=0, cancel_surplus=True))
    submit_pilots(world.runtime(), DEFAULT_VO)
    world.wait(SURPLUS_LASTS.total_seconds())
    submit_pilots(world.runtime(), DEFAULT_VO)


WHY = {"drain": drain, "time-out": let_it_time_out, "surplus": lower_the_demand}
each_way = pytest.mark.parametrize("ask", WHY.values(), ids=WHY)
Ask = Callable[[World, CE], None]


@each_way
def test_a_pilot_that_began_since_the_last_answer_goes_on(world: World, ask: Ask) -> None:
    ce, pilot = waiting(world)
    world.wait(200)
    ask(world, ce)
    assert world.pilot(pilot).cancel_requested_at is not None

    driver = Fake()
    for _ in range(3):
        world.check(ce, world.with_driver(driver, by_hand=True))
        world.wait(400)
    after = world.pilot(pilot)
    assert "cancel" not in driver.calls
    assert after.status is Status.RUNNING
    assert (after.cancel_requested_at, after.cancel_reason) == (None, None)


@each_way
def test_a_pilot_that_still_waits_is_ended(world: World, ask: Ask) -> None:
    ce, pilot = waiting(world, begins=LONG)
    ask(world, ce)
    reason = world.pilot(pilot).cancel_reason
    for _ in range(2):
        world.check(ce, world.runtime(by_hand=True))
        world.wait(400)
    last = world.history(pilot)[-1]
    assert (last.became, last.reason) == (Status.CANCELLED, reason)


class Silent(Fake):
    """A CE that answers without any job."""

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        self.note_call("poll")
        return []


def test_an_answer_that_leaves_the_pilot_out_does_not_say_that_it_waits(world: World) -> None:
    ce, pilot = waiting(world)
    drain(world, ce)
    world.check(ce, world.with_driver(driver := Silent(), by_hand=True))
    assert driver.calls == ["poll"]
    assert world.pilot(pilot).cancel_reason == DRAINED


def test_the_silence_of_its_ce_ends_a_pilot_that_was_to_end_if_it_waits(world: World) -> None:
    ce, pilot = waiting(world)
    drain(world, ce)
    world.change(lambda tx: ces.change(tx, ce.name, silent_at_most=HOUR))
    for _ in range(3):
        world.check(ce, world.with_driver(Silent(), by_hand=True))
        world.wait(hours=1)
    assert sweep(world.runtime()).counts["cancelled"] == 1
    reason = world.pilot(pilot).cancel_reason
    assert reason == "its CE said nothing about it for longer than 1h, the most that CE lyon allows"
    world.check(ce, world.with_driver(driver := Silent(), by_hand=True))
    assert driver.calls == ["poll", "cancel"]
    assert sweep(world.runtime()).counts["cancelled"] == 0


def test_a_drain_that_also_ends_what_runs_ends_what_was_to_end_if_it_waits(world: World) -> None:
    ce, pilot = waiting(world)
    let_it_time_out(world, ce)
    drain(world, ce, end_running=True)
    assert world.pilot(pilot).cancel_reason == DRAINED
    world.wait(200)
    world.check(ce, world.with_driver(driver := Fake(), by_hand=True))
    assert driver.calls == ["poll", "cancel"]


def test_an_operator_ends_a_pilot_that_was_to_end_if_it_waits_also_if_it_runs(world: World) -> None:
    ce, pilot = waiting(world)
    drain(world, ce)
    world.wait(200)
    with world.database.uow() as tx:
        pilots.request_cancel(tx, {pilot: "asked for"}, world.clock)
        pilots.request_cancel(tx, {pilot: "a drain"}, world.clock, if_waiting=[pilot])
    world.check(ce, world.with_driver(driver := Fake(), by_hand=True))
    assert driver.calls == ["poll", "cancel"]
    after = world.pilot(pilot)
    assert (after.status, after.cancel_reason) == (Status.RUNNING, "asked for")


def test_a_pilot_that_was_put_back_is_not_ended_for_its_first_wait(world: World) -> None:
    ce, pilot = waiting(world)
    drain(world, ce)
    steps = [Status.RUNNING, Status.SUBMITTED]
    for to in steps:
        move = Move(pilot_id=pilot, to=to, next_check_at=world.clock)
        world.change(lambda tx, move=move: mover.move(tx, [move], world.clock))  # type: ignore[misc]
    world.check(ce, world.with_driver(driver := Fake(), by_hand=True))
    assert driver.calls == ["poll"]


def test_a_pilot_that_runs_is_not_asked_to_end_because_it_waited(world: World) -> None:
    ce, pilot = waiting(world)
    world.wait(400)
    world.check(ce, world.runtime(by_hand=True))
    with world.database.uow() as tx:
        pilots.cancel(tx, {}, {pilot: "a drain"}, world.clock, if_waiting=[pilot])
    assert world.pilot(pilot).cancel_requested_at is None


def test_a_pilot_that_speaks_is_not_told_to_stop_because_it_waited(world: World) -> None:
    ce, pilot = waiting(world)
    drain(world, ce)
    stamp = world.pilot(pilot).stamp
    with world.database.uow() as tx:
        speaker = pilot_reports.speaker(tx, stamp)
    assert speaker is not None
    assert not speaker.is_unwanted
