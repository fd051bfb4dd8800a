"""Reports of pilots: which pilots get a secret, and the effects of a report."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.expectations import refused, statements
from tests.factories import a_ce, a_pilot, a_vo
from tests.services.world import Fake, World
from worker.backends.sim import BACKEND as SIM
from worker.db import payloads as stored
from worker.db import pilot_reports, vos, work
from worker.db.work import WorkRecord
from worker.domain.ce import CE
from worker.domain.ce_answers import Job, Observed, Order, Receipt
from worker.domain.errors import NotSignedIn
from worker.domain.pilot import Pilot, Status, Use
from worker.domain.pilot_report import PilotState
from worker.domain.pilot_secret import PilotKeys
from worker.domain.vo import DEFAULT_VO
from worker.policy.work import NoWork
from worker.services import payloads
from worker.services.operate import pilots
from worker.services.pilot_reports import note
from worker.services.runtime import Runtime, TaskResult
from worker.services.tasks import dispatch, sweep

KEYS = PilotKeys(("k" * 32,))
URL = "https://pilotage.example.org"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
LONG = 1_000_000.0
BUSY, IDLE, ENDING = PilotState.BUSY, PilotState.IDLE, PilotState.ENDING


class Takes(Fake):
    """A CE that takes every pilot and remembers the orders."""

    def __init__(self) -> None:
        super().__init__()
        self.orders: list[Order] = []

    def submit(self, orders: Sequence[Order]) -> Sequence[Receipt]:
        self.orders += orders
        return [Receipt(stamp=order.stamp, handle=order.stamp) for order in orders]


class Ended(Fake):
    """A CE whose pilots have all ended as done, one minute after they began."""

    def __init__(self, world: World, code: int | None = 0) -> None:
        super().__init__()
        self.world, self.code = world, code

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        now = self.world.now()
        return [
            Observed(
                stamp=job.stamp,
                handle=job.handle,
                status=Status.DONE,
                exit_code=self.code,
                started_at=now - MINUTE,
                ended_at=now,
            )
            for job in jobs
        ]


def let_speak(world: World, vo: str = DEFAULT_VO, **more: Any) -> None:
    payload = {"script": "exit 0", "reports": True, **more}
    world.change(lambda tx: stored.put(tx, vo, payload))


def send(world: World, ce: CE, *, gives: bool = True, **settings: Any) -> tuple[TaskResult, Takes]:
    driver = Takes()
    own = replace(SIM, driver=driver.for_ce, gives_secrets=gives)
    values = {"pilot_keys": KEYS, "web_url": URL, **settings}
    runtime = world.runtime(by_hand=True, backends={SIM.name: own}, **values)
    return dispatch.dispatch(runtime, ce.name), driver


def test_each_pilot_gets_its_own_secret_if_its_vo_wants_it(world: World) -> None:
    ce, quiet = world.ce(a_ce().with_capacity(50)), world.vo()
    let_speak(world)
    speaking = world.reserve(ce, 20)
    silent = world.reserve(ce, 2, quiet.name)
    result, driver = send(world, ce)

    assert result.counts["submitted"] == 22
    assert not result.lines
    by_stamp = {order.stamp: order for order in driver.orders}
    for number in speaking:
        order = by_stamp[world.pilot(number).stamp]
        assert order.secret is not None
        assert KEYS.stamp_of(order.secret) == order.stamp
        assert order.url == URL
        assert order.secret not in str(order.script)
    for number in silent:
        order = by_stamp[world.pilot(number).stamp]
        assert (order.secret, order.url) == (None, None)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"gives": False}, "the back-end sim has no safe way"),
        ({"web_url": None}, "web_url does not say where"),
        ({"web_url": "http://pilotage.example.org"}, "web_url begins with http://"),
        ({"pilot_keys": PilotKeys()}, "pilot_key is not set"),
    ],
)
def test_where_none_can_be_given_pilots_are_sent_as_before(
    world: World, settings: dict[str, Any], why: str
) -> None:
    ce = world.ce(a_ce().with_capacity(50))
    let_speak(world)
    world.reserve(ce, 3)
    result, driver = send(world, ce, **settings)

    assert result.counts["submitted"] == 3
    assert {(order.secret, order.url) for order in driver.orders} == {(None, None)}
    [line] = result.lines
    assert line.startswith(f"pilots of VO {DEFAULT_VO} get no secret: ")
    assert why in line


def test_the_payload_at_a_ce_says_whether_pilots_get_a_secret(world: World) -> None:
    ce = world.ce()
    let_speak(world)
    fields = payloads.show(world.runtime(), DEFAULT_VO, ce=ce.name)
    assert "has no safe way" in fields["reports"]
    assert payloads.show(world.runtime(), DEFAULT_VO)["reports"] is True


def test_a_secret_costs_no_statement(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(50))
    counts = []
    for speaks in (False, True):
        world.change(
            lambda tx, speaks=speaks: stored.put(  # type: ignore[misc]
                tx, DEFAULT_VO, {"script": "exit 0", **({"reports": True} if speaks else {})}
            )
        )
        world.reserve(ce, 20)
        with statements(world.database.engine) as sql:
            send(world, ce)
        counts.append(len(sql))
    assert counts[0] == counts[1]


def running_pilots(world: World, number: int = 1, vo: str | None = None) -> tuple[CE, list[Pilot]]:
    ce = world.ce(a_ce().with_capacity(2000), queue_time=LONG, run_time=LONG)
    builder = a_pilot().on(ce).running()
    if vo is not None:
        with world.database.uow() as tx:
            builder = builder.for_vo(vos.get(tx, vo))
    return ce, world.make(builder, number)


def end(world: World, ce: CE, code: int | None = 0) -> None:
    world.wait(hours=1)
    world.check(ce, world.with_driver(Ended(world, code), by_hand=True))


def test_the_use_of_a_good_end_is_what_the_pilot_said(world: World) -> None:
    let_speak(world, useful_after=300)
    ce, [useful, empty, silent, unclear] = running_pilots(world, 4)
    runtime = world.runtime()
    note(runtime, useful.stamp, state=ENDING, payloads=2)
    note(runtime, empty.stamp, state=IDLE, payloads=0)
    note(runtime, unclear.stamp, state=BUSY, payloads=0)
    end(world, ce)

    uses = [world.pilot(one.id).use for one in (useful, empty, silent, unclear)]
    assert uses == [Use.USEFUL, Use.EMPTY, Use.SHORT, Use.SHORT]


def test_the_meaning_of_its_exit_code_counts_more(world: World) -> None:
    let_speak(world, exit_codes={"77": "empty"})
    ce, [one] = running_pilots(world)
    note(world.runtime(), one.stamp, state=ENDING, payloads=5)
    end(world, ce, 77)
    assert world.pilot(one.id).use is Use.EMPTY


def test_a_report_counts_as_long_as_the_payload_wants_reports(world: World) -> None:
    world.change(lambda tx: stored.put(tx, DEFAULT_VO, {"script": "exit 0", "useful_after": 300}))
    ce, [one] = running_pilots(world)
    note(world.runtime(), one.stamp, state=ENDING, payloads=5)
    end(world, ce)
    assert world.pilot(one.id).use is Use.SHORT


def test_the_reports_of_a_check_cost_one_statement(world: World) -> None:
    let_speak(world)
    counts = []
    for number in (2, 60):
        ce, batch = running_pilots(world, number)
        for one in batch:
            note(world.runtime(), one.stamp, payloads=1)
        with statements(world.database.engine) as sql:
            end(world, ce)
        counts.append(len(sql))
    assert counts[0] == counts[1]


def test_a_report_takes_two_statements_and_leaves_all_else(world: World) -> None:
    _, [one, other] = running_pilots(world, 2)
    before = world.pilots()
    for number in range(3):
        with statements(world.database.engine) as sql:
            assert note(world.runtime(), one.stamp, state=BUSY, payloads=number) is False
        assert len([line for line in sql if line.startswith(("SELECT", "INSERT"))]) == 2
        assert not [line for line in sql if line.startswith("UPDATE")]
    assert world.pilots() == before
    assert pilots.show_pilot(world.runtime(), str(other.id)).report is None
    report = pilots.show_pilot(world.runtime(), str(one.id)).report
    assert report is not None
    assert (report.state, report.payloads, report.at) == (BUSY, 2, world.now())


def test_a_pilot_that_has_ended_says_nothing_more(world: World) -> None:
    ce, [one] = running_pilots(world)
    end(world, ce)
    with refused(NotSignedIn, "this pilot has ended, or is not known here"):
        note(world.runtime(), one.stamp, state=BUSY)
    assert pilots.show_pilot(world.runtime(), str(one.id)).report is None


def test_a_reason_is_one_line_without_a_secret_or_orders_to_a_terminal(world: World) -> None:
    _, [one] = running_pilots(world)
    secret = KEYS.secret_of(one.stamp)
    note(world.runtime(), one.stamp, reason=f"a\nb \x1b[31m\x9b2J\u202e {secret} \0")
    report = pilots.show_pilot(world.runtime(), str(one.id)).report
    assert report is not None
    assert report.reason is not None
    assert secret not in report.reason
    assert report.reason.isprintable()
    assert report.reason.startswith("a b ")


def idle(world: World, *, demand: int | None = 0, most: timedelta | None = 30 * MINUTE) -> str:
    """Make a VO with a demand, whose pilots may be idle for some time."""
    vo = world.vo(a_vo()).name
    world.change(lambda tx: vos.change(tx, vo, demand=demand, idle_at_most=most))
    return vo


def say(world: World, some: Sequence[Pilot], state: PilotState) -> None:
    for one in some:
        note(world.runtime(), one.stamp, state=state)


def sweep_up(world: World, runtime: Runtime | None = None) -> int:
    return sweep.sweep(runtime or world.runtime()).counts["cancelled"]


def test_a_pilot_that_idles_for_longer_than_its_vo_allows_is_ended(world: World) -> None:
    vo = idle(world)
    _, [idler, worker, silent] = running_pilots(world, 3, vo)
    say(world, [idler, worker], IDLE)
    world.wait(minutes=29)
    say(world, [idler], IDLE)
    say(world, [worker], BUSY)
    assert sweep_up(world) == 0

    world.wait(minutes=2)
    assert sweep_up(world) == 0  # it may have work by now, as it has not reported idle again
    say(world, [idler], IDLE)
    would = sweep.plan(world.runtime())
    assert (would.counts["would cancel"], sweep_up(world)) == (1, 1)

    reason = f"it said idle for longer than 30min, the most that VO {vo} allows"
    assert world.pilot(idler.id).cancel_reason == reason
    assert would.lines == (f"would cancel 1: {reason}",)
    assert note(world.runtime(), idler.stamp, state=IDLE) is True
    assert [world.pilot(one.id).cancel_reason for one in (worker, silent)] == [None, None]
    assert sweep_up(world) == 0


@pytest.mark.parametrize(("demand", "most"), [(None, 30 * MINUTE), (1, 30 * MINUTE), (0, None)])
def test_it_is_left_alone_while_its_vo_needs_pilots_or_allows_it(
    world: World, demand: int | None, most: timedelta | None
) -> None:
    _, idlers = running_pilots(world, 2, idle(world, demand=demand, most=most))
    say(world, idlers, IDLE)
    world.wait(hours=2)
    say(world, idlers, IDLE)
    assert sweep_up(world) == 0


def test_as_many_idle_pilots_are_kept_as_are_wanted_in_all(world: World) -> None:
    vo = idle(world)
    world.change(lambda tx: vos.change(tx, vo, demand_min=2))
    _, idlers = running_pilots(world, 5, vo)
    say(world, idlers, IDLE)
    world.wait(hours=2)
    say(world, idlers, IDLE)
    assert sweep_up(world) == 3
    assert sweep_up(world) == 0  # the pilots that are to end no longer count
    world.change(lambda tx: vos.change(tx, vo, demand_min=1))
    assert sweep_up(world) == 1


def test_a_vo_whose_pilots_find_no_work_needs_none(world: World) -> None:
    vo = idle(world, demand=None)
    _, idlers = running_pilots(world, 2, vo)
    say(world, idlers, IDLE)
    world.wait(hours=2)
    say(world, idlers, IDLE)
    no_work = NoWork(reason="its last 5 pilots found no work", since=world.now())
    world.change(lambda tx: work.save(tx, {vo: WorkRecord(without_work=no_work)}))
    assert sweep_up(world) == 2


def test_idle_pilots_are_ended_in_batches_by_as_many_statements_however_many_they_are(
    world: World,
) -> None:
    vo = idle(world)
    counts = []
    for number in (2, 40):
        _, idlers = running_pilots(world, number, vo)
        say(world, idlers, IDLE)
        world.wait(hours=1)
        say(world, idlers, IDLE)
        with statements(world.database.engine) as sql:
            assert sweep_up(world, world.runtime(batch=30)) == min(number, 30)
        counts.append(len(sql))
    assert counts[0] == counts[1]
    assert sweep_up(world) == 10


def test_without_a_limit_no_report_is_read(world: World) -> None:
    with statements(world.database.engine) as sql:
        sweep_up(world)
    assert not [line for line in sql if "pilot_reports" in line]


def test_reports_of_pilots_are_read_after_their_ce_has_answered(world: World) -> None:
    """The last action of a pilot is to report how it ended."""
    let_speak(world, useful_after=300)
    ce, [one] = running_pilots(world)

    class SaysAtLast(Ended):
        def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
            note(self.world.runtime(), one.stamp, state=ENDING, payloads=1)
            return super().poll(jobs)

    world.wait(hours=1)
    world.check(ce, world.with_driver(SaysAtLast(world), by_hand=True))
    assert world.pilot(one.id).use is Use.USEFUL
    with world.database.uow() as tx:
        report = pilot_reports.get(tx, one.id)
    assert report is not None
    assert report.payloads == 1
