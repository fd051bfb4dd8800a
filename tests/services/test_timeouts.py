"""Pilots that wait, run or are silent for longer than their CE or VO allows are cancelled."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from tests.expectations import refused, statements
from tests.factories import a_ce, a_pilot, a_vo
from tests.services.world import Broken, Fake, World
from worker.db import ces, mover, vos
from worker.domain.ce import CE
from worker.domain.ce_answers import Job, Observed
from worker.domain.errors import Invalid, Unavailable
from worker.domain.pilot import Move, Status
from worker.domain.vo import DEFAULT_VO
from worker.services.tasks import sweep as task
from worker.services.tasks.sweep import plan, sweep

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
LONG = 1_000_000.0
"""Seconds: longer than any of these tests, so that no job begins or ends by itself."""


class Silent(Fake):
    """A CE that answers without any job."""

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        self.note_call("poll")
        return []


def place(world: World, **timeouts: timedelta) -> CE:
    """Make a CE with these time-outs, where pilots wait and run for ever."""
    ce = world.ce(a_ce().named("lyon").with_capacity(50), queue_time=LONG, run_time=LONG)
    world.change(lambda tx: ces.change(tx, ce.name, **timeouts))
    return ce


def allow_waiting(world: World, ce: CE, most: timedelta | None) -> None:
    world.change(lambda tx: ces.change(tx, ce.name, wait_at_most=most))


def drain(world: World, ce: CE, by: datetime, *, end_running: bool = True) -> None:
    values = {"draining": True, "drain_by": by, "end_running": end_running}
    world.change(lambda tx: ces.change(tx, ce.name, **values))


def running_pilots(world: World, ce: CE, number: int = 1) -> list[int]:
    return [pilot.id for pilot in world.make(a_pilot().on(ce).running(), number)]


def leave_out(world: World, ce: CE, times: int) -> None:
    """Check a CE some times, whose answer leaves every pilot out."""
    for _ in range(times):
        world.check(ce, world.with_driver(Silent(), by_hand=True))
        world.wait(hours=5)


def answer(world: World, ce: CE) -> None:
    """Check a CE, whose answer has every pilot."""
    world.check(ce, world.runtime(by_hand=True))


def end(world: World, ce: CE) -> None:
    """Check a CE until it has ended the pilots that it is told to end."""
    for _ in range(2):
        world.check(ce, world.runtime(by_hand=True))
        world.wait(400)


def reasons(world: World) -> list[str | None]:
    return [pilot.cancel_reason for pilot in world.pilots()]


def test_a_pilot_that_waits_for_longer_than_its_ce_allows_is_cancelled(world: World) -> None:
    ce = place(world, wait_at_most=2 * HOUR)
    ids = world.sent(ce, 3)
    world.wait(hours=2)
    answer(world, ce)
    assert sweep(world.runtime()).counts["cancelled"] == 0
    world.wait(hours=1)
    answer(world, ce)
    younger = world.sent(ce, 1)
    why = "it waited for longer than 2h, the most that CE lyon allows"

    result = sweep(world.runtime())
    assert (result.counts["cancelled"], result.lines) == (3, (f"cancelled 3: {why}",))
    assert world.statuses() == {"submitted": 4}
    assert {world.pilot(one).cancel_reason for one in ids} == {why}
    end(world, ce)
    for one in ids:
        last = world.history(one)[-1]
        assert (last.became, last.reason) == (Status.CANCELLED, why)
    assert [world.pilot(one).status for one in younger] == [Status.SUBMITTED]


def test_a_pilot_that_runs_for_longer_than_its_vo_allows_is_cancelled(world: World) -> None:
    ce, vo = place(world), world.vo(a_vo().named("lhcb"))
    world.change(lambda tx: vos.change(tx, vo.name, run_at_most=90 * MINUTE))
    [theirs] = world.make(a_pilot().on(ce).for_vo(vo).running())
    [other] = running_pilots(world, ce)
    world.wait(minutes=90)
    assert sweep(world.runtime()).counts["cancelled"] == 0
    world.wait(1)

    assert sweep(world.runtime()).counts["cancelled"] == 1
    why = "it ran for longer than 90min, the most that VO lhcb allows"
    assert world.pilot(theirs.id).cancel_reason == why
    assert world.pilot(other).cancel_requested_at is None


def test_the_time_that_a_pilot_waited_is_no_time_that_it_runs(world: World) -> None:
    ce = place(world, wait_at_most=2 * HOUR, run_at_most=3 * HOUR)
    [pilot] = world.make(a_pilot().on(ce).submitted())
    world.wait(hours=2)
    world.change(lambda tx: mover.move(tx, [_to(pilot.id, Status.RUNNING)], world.clock))
    world.wait(hours=3)
    assert sweep(world.runtime()).counts["cancelled"] == 0
    world.wait(1)
    assert sweep(world.runtime()).counts["cancelled"] == 1


def test_a_pilot_that_was_put_back_into_the_queue_waits_since_then(world: World) -> None:
    ce = place(world, wait_at_most=2 * HOUR)
    [pilot] = world.sent(ce, 1)
    world.change(lambda tx: mover.move(tx, [_to(pilot, Status.RUNNING)], world.clock))
    world.wait(hours=10)
    world.change(lambda tx: mover.move(tx, [_to(pilot, Status.SUBMITTED)], world.clock))
    world.wait(hours=2)
    answer(world, ce)
    assert sweep(world.runtime()).counts["cancelled"] == 0
    world.wait(hours=1)
    answer(world, ce)
    assert sweep(world.runtime()).counts["cancelled"] == 1


class Restarting(Fake):
    """A CE that says when each pilot began to run."""

    def __init__(self, began: datetime) -> None:
        super().__init__()
        self.began = began

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        return [
            Observed(
                stamp=job.stamp, handle=job.handle, status=Status.RUNNING, started_at=self.began
            )
            for job in jobs
        ]


def test_a_pilot_that_began_again_between_two_checks_runs_since_then(world: World) -> None:
    ce = place(world, run_at_most=24 * HOUR)
    [pilot] = world.sent(ce, 1)
    world.wait(hours=1)
    driver = Restarting(world.clock)
    world.check(ce, world.with_driver(driver, by_hand=True))
    assert world.statuses() == {"running": 1}
    world.wait(hours=20)
    driver.began = world.clock - MINUTE
    world.check(ce, world.with_driver(driver, by_hand=True))
    assert world.pilot(pilot).started_at == driver.began
    world.wait(hours=5)
    assert sweep(world.runtime()).counts["cancelled"] == 0
    world.wait(hours=19)
    assert sweep(world.runtime()).counts["cancelled"] == 1


def test_a_pilot_that_nobody_looked_at_may_have_begun_and_is_not_cancelled(world: World) -> None:
    ce = world.ce(a_ce().named("lyon"), queue_time=3600.0, run_time=LONG)
    world.change(lambda tx: ces.change(tx, ce.name, wait_at_most=2 * HOUR))
    world.sent(ce, 1)
    world.wait(days=1)
    assert sweep(world.runtime()).counts["cancelled"] == 0
    answer(world, ce)
    assert sweep(world.runtime()).counts["cancelled"] == 0
    assert world.statuses() == {"running": 1}


def test_a_pilot_about_which_its_ce_is_silent_is_cancelled_at_the_ce(world: World) -> None:
    ce = place(world, silent_at_most=24 * HOUR)
    [pilot] = world.sent(ce, 1)
    leave_out(world, ce, 4)
    world.wait(hours=4)
    assert sweep(world.runtime()).counts["cancelled"] == 0
    world.wait(1)
    assert sweep(world.runtime()).counts["cancelled"] == 1
    why = "its CE said nothing about it for longer than 1d, the most that CE lyon allows"
    assert (world.pilot(pilot).cancel_reason, world.statuses()) == (why, {"submitted": 1})

    driver = Silent()
    world.check(ce, world.with_driver(driver, by_hand=True))
    assert (driver.calls, world.statuses()) == (["poll", "cancel"], {"submitted": 1})
    world.wait(400)
    world.check(ce, world.runtime(by_hand=True))
    assert world.history(pilot)[-1].reason == why


def test_an_answer_ends_the_silence(world: World) -> None:
    ce = place(world, silent_at_most=24 * HOUR)
    world.sent(ce, 1)
    leave_out(world, ce, 4)
    world.check(ce, world.runtime(by_hand=True))
    leave_out(world, ce, 4)
    assert sweep(world.runtime()).counts["cancelled"] == 0


@pytest.mark.parametrize("checks", [0, 1, 2])
def test_a_ce_that_was_hardly_asked_is_not_silent(world: World, checks: int) -> None:
    ce = place(world, silent_at_most=HOUR)
    world.sent(ce, 1)
    world.wait(days=3)
    leave_out(world, ce, checks)
    assert sweep(world.runtime()).counts["cancelled"] == 0


def test_a_ce_that_cannot_be_called_changes_no_status(world: World) -> None:
    ce = place(world, silent_at_most=HOUR)
    world.sent(ce, 2)
    for _ in range(3):
        world.wait(hours=1)
        world.check(ce, world.with_driver(Broken(Unavailable("down")), by_hand=True))
    assert sweep(world.runtime()).counts["cancelled"] == 2
    world.wait(hours=1)
    world.check(ce, world.with_driver(Broken(Unavailable("down")), by_hand=True))
    assert world.statuses() == {"submitted": 2}


@pytest.mark.parametrize(
    ("of_ce", "of_vo", "why"),
    [
        (2 * HOUR, 3 * HOUR, "2h, the most that CE lyon allows"),
        (3 * HOUR, 2 * HOUR, "2h, the most that VO default allows"),
        (2 * HOUR, 2 * HOUR, "2h, the most that CE lyon allows"),
        (None, 2 * HOUR, "2h, the most that VO default allows"),
    ],
)
@pytest.mark.parametrize("hours", [2.5, 4])
def test_the_shorter_of_two_counts(
    world: World, of_ce: timedelta | None, of_vo: timedelta, why: str, hours: float
) -> None:
    ce = place(world)
    allow_waiting(world, ce, of_ce)
    world.change(lambda tx: vos.change(tx, DEFAULT_VO, wait_at_most=of_vo))
    world.sent(ce, 1)
    world.wait(hours=hours)
    answer(world, ce)

    assert sweep(world.runtime()).counts["cancelled"] == 1
    assert reasons(world) == [f"it waited for longer than {why}"]


def test_nothing_is_cancelled_where_no_time_out_is_set_or_one_was_taken_away(world: World) -> None:
    ce = place(world, wait_at_most=HOUR, run_at_most=HOUR, silent_at_most=HOUR)
    none = dict.fromkeys(("wait_at_most", "run_at_most", "silent_at_most"))
    world.change(lambda tx: ces.change(tx, ce.name, **none))
    running_pilots(world, ce)
    world.sent(ce, 1)
    leave_out(world, ce, 4)
    with statements(world.database.engine) as sql:
        assert sweep(world.runtime()).counts["cancelled"] == 0
    assert not any("cancel_requested_at" in statement for statement in sql)
    assert reasons(world) == [None, None]


def test_a_pilot_that_was_never_sent_or_is_in_doubt_is_left_to_others(world: World) -> None:
    ce = place(world, wait_at_most=HOUR, silent_at_most=HOUR)
    world.reserve(ce, 1)
    world.make(a_pilot().on(ce).submitting())
    world.wait(days=1)
    assert sweep(world.runtime()).counts["cancelled"] == 0


def test_an_end_is_asked_for_once_and_the_first_reason_stays(world: World) -> None:
    ce = place(world, wait_at_most=2 * HOUR)
    world.sent(ce, 2)
    world.wait(hours=3)
    answer(world, ce)
    assert sweep(world.runtime()).counts["cancelled"] == 2
    before = world.pilots()
    world.wait(hours=1)
    allow_waiting(world, ce, HOUR)
    drain(world, ce, world.clock, end_running=False)

    assert sweep(world.runtime()).counts["cancelled"] == 0
    assert world.pilots() == before


def test_a_dry_run_says_how_many_it_would_cancel(world: World) -> None:
    ce = place(world, wait_at_most=2 * HOUR)
    world.sent(ce, 2)
    world.wait(hours=3)
    answer(world, ce)
    before = world.image()

    would = plan(world.runtime())
    assert world.image() == before
    assert would.counts == {"holds that are over": 0, "drains that are over": 0, "would cancel": 2}
    why = "it waited for longer than 2h, the most that CE lyon allows"
    assert would.lines == (f"would cancel 2: {why}",)
    assert sweep(world.runtime()).counts["cancelled"] == 2


def test_the_number_of_statements_does_not_grow_with_the_pilots(world: World) -> None:
    numbers = []
    for pilots in (1, 40):
        lyon, rome = (world.ce(a_ce().with_capacity(200), queue_time=LONG) for _ in range(2))
        allow_waiting(world, lyon, HOUR)
        for ce in (lyon, rome):
            world.sent(ce, pilots)
        world.reserve(rome, pilots)
        running_pilots(world, rome, pilots)
        drain(world, rome, world.clock + HOUR)
        world.wait(hours=2)
        answer(world, lyon)
        with statements(world.database.engine) as sql:
            assert sweep(world.runtime()).counts["cancelled"] == 4 * pilots
        numbers.append(len(sql))
    assert numbers[0] == numbers[1]


@pytest.mark.parametrize("end_running", [True, False])
def test_a_drain_may_end_what_runs_when_its_time_is_over(world: World, end_running: bool) -> None:
    ce = place(world)
    alive = running_pilots(world, ce, 2)
    ids = world.sent(ce, 1)
    drain(world, ce, world.clock + HOUR, end_running=end_running)
    sweep(world.runtime())
    assert reasons(world) == [None] * 3
    world.wait(hours=1)

    assert plan(world.runtime()).counts["would cancel"] == (3 if end_running else 1)
    assert sweep(world.runtime()).counts["cancelled"] == (3 if end_running else 1)
    assert world.pilot(ids[0]).cancel_reason == task.DRAINED
    cancel_reasons = {world.pilot(one).cancel_reason for one in alive}
    assert cancel_reasons == ({task.DRAINED} if end_running else {None})


def test_a_pilot_that_runs_at_a_drained_ce_ends_with_the_reason(world: World) -> None:
    ce = world.ce(a_ce().named("lyon"), run_time=LONG)
    [pilot] = world.sent(ce, 1)
    world.wait(100)
    world.check(ce, world.runtime(by_hand=True))
    assert world.statuses() == {"running": 1}
    drain(world, ce, world.clock)

    sweep(world.runtime())
    end(world, ce)
    last = world.history(pilot)[-1]
    assert (last.became, last.reason) == (Status.CANCELLED, task.DRAINED)


@pytest.mark.parametrize(
    ("length", "why"),
    [
        (timedelta(), "1s at least"),
        (-HOUR, "1s at least"),
        (timedelta(seconds=1.5), "whole seconds"),
        (timedelta(days=3651), "3651d is above 3650d"),
    ],
)
def test_a_time_out_that_cannot_be_is_refused(world: World, length: timedelta, why: str) -> None:
    with refused(Invalid, "silent at most", why):
        world.change(lambda tx: vos.change(tx, DEFAULT_VO, silent_at_most=length))


def _to(pilot_id: int, status: Status) -> Move:
    return Move(pilot_id=pilot_id, to=status)
