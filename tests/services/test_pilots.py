"""Pilots by hand: list, show, cancel, output."""

from dataclasses import asdict

import pytest

from tests.expectations import refused
from tests.factories import a_ce, a_pilot
from tests.services.world import Fake, Watching, World
from worker.backends.sim.faults import Fault
from worker.db import uow
from worker.domain.errors import ConfirmationNeeded, InUse, Unavailable, UnknownPilot
from worker.domain.pages import PageRequest
from worker.domain.pilot import Cause, Status
from worker.domain.pilot_filter import PilotFilter
from worker.domain.schedule import Outcome
from worker.services.operate import pilots
from worker.services.tasks import dispatch


def test_a_pilot_is_shown_by_its_id_or_its_stamp_with_its_history(world: World) -> None:
    [pilot] = world.make(a_pilot().running())
    for which in (str(pilot.id), pilot.stamp):
        fields = asdict(pilots.show_pilot(world.runtime(), which))
        assert fields.items() >= pilot._asdict().items()
        assert [step["became"] for step in fields["history"]][-1] is Status.RUNNING


@pytest.mark.parametrize("which", ["17", "9" * 30, "f" * 32, "no such"])
def test_a_pilot_that_is_not_there_is_an_error(world: World, which: str) -> None:
    with refused(UnknownPilot, which):
        pilots.show_pilot(world.runtime(), which)
    with refused(UnknownPilot, which):
        pilots.output(world.runtime(), which)
    with refused(UnknownPilot, which):
        pilots.cancel(world.runtime(), [which], yes=True)


def test_pilots_are_listed_by_what_they_are(world: World) -> None:
    one, two = world.ce(), world.ce()
    world.make(a_pilot().on(one).running(), 2)
    world.make(a_pilot().on(two).done(), 3)

    page = pilots.list_pilots(world.runtime(), PilotFilter(ce=one.name))
    assert [pilot.ce for pilot in page.items] == [one.name] * 2
    page = pilots.list_pilots(
        world.runtime(), PilotFilter(statuses=[Status.DONE]), page=PageRequest(limit=2)
    )
    assert (len(page.items), page.next is not None) == (2, True)


def test_nothing_is_cancelled_without_a_yes(world: World) -> None:
    [pilot] = world.make(a_pilot().reserved())
    with refused(ConfirmationNeeded, f"this would cancel pilot {pilot.id}"):
        pilots.cancel(world.runtime(), [str(pilot.id)], yes=False)
    assert world.statuses() == {"reserved": 1}


def test_what_was_not_sent_is_cancelled_at_once_and_no_ce_is_called(world: World) -> None:
    driver = Fake()
    batch = world.make(a_pilot().reserved(), 2)
    result = pilots.cancel(world.with_driver(driver), [str(p.id) for p in batch], yes=True)

    assert result.counts == {"cancelled": 2, "asked": 0, "over already": 0}
    assert driver.calls == []
    assert world.statuses() == {"cancelled": 2}


def test_what_a_ce_has_is_asked_for_in_one_call_each_and_the_next_check_tells(
    world: World,
) -> None:
    driver = Watching(uow.is_open)
    one, two = world.ce(), world.ce()
    ids = [*world.sent(one, 2), *world.sent(two, 1)]
    others = world.sent(one, 1)
    result = pilots.cancel(world.with_driver(driver), list(map(str, ids)), yes=True)

    assert result.outcome is Outcome.OK
    assert result.counts == {"cancelled": 0, "asked": 3, "over already": 0}
    assert (driver.calls, driver.observations) == (["cancel"] * 2, [False] * 2)
    assert world.statuses() == {"submitted": 4}
    for ce in (one, two):
        world.check(ce)
    assert {world.pilot(i).status for i in ids} == {Status.CANCELLED}
    assert world.pilot(others[0]).status is Status.SUBMITTED


def test_a_cancelled_pilot_that_was_quicker_stays_what_it_became(world: World) -> None:
    ce = world.ce()
    [pilot] = world.sent(ce, 1)
    world.wait(1000)
    pilots.cancel(world.runtime(), [str(pilot)], yes=True)
    world.check(ce)
    assert world.pilot(pilot).status is Status.DONE


def test_the_wish_stands_when_the_ce_cannot_be_asked(world: World) -> None:
    down, up = world.ce(a_ce().named("down")), world.ce(a_ce().named("up"))
    ids = [*world.sent(down, 1), *world.sent(up, 1)]
    world.fault(down, Fault.DOWN)
    result = pilots.cancel(world.runtime(), list(map(str, ids)), yes=True)

    assert result.counts == {"cancelled": 0, "asked": 1, "over already": 0}
    assert [line.split(":")[0] for line in result.lines] == ["down"]
    assert all(world.pilot(i).cancel_requested_at == world.clock for i in ids)


def test_a_wish_that_the_ce_did_not_hear_is_told_again_when_it_is_back(world: World) -> None:
    ce = world.ce(queue_time=10**6)
    [pilot] = world.sent(ce, 1)
    world.fault(ce, Fault.DOWN)
    pilots.cancel(world.runtime(), [str(pilot)], yes=True)
    world.mend(ce)
    for _ in range(3):
        world.wait(minutes=10)
        world.check(ce)
        world.reconcile(ce)
    assert world.pilot(pilot).status is Status.CANCELLED


def test_a_wish_about_a_pilot_in_doubt_is_told_when_it_is_found(world: World) -> None:
    ce = world.ce(queue_time=10**6)
    [pilot] = world.reserve(ce, 1)
    world.fault(ce, Fault.LOSES_REPLY)
    dispatch.dispatch(world.runtime(), ce.name)
    world.mend(ce)
    pilots.cancel(world.runtime(), [str(pilot)], yes=True)
    for _ in range(3):
        world.wait(minutes=10)
        world.reconcile(ce)
        world.check(ce)
    assert world.pilot(pilot).status is Status.CANCELLED


def test_a_pilot_in_doubt_that_is_gone_when_it_is_found_was_removed(world: World) -> None:
    ce = world.ce()
    [pilot] = world.reserve(ce, 1)
    world.fault(ce, Fault.LOSES_REPLY)
    dispatch.dispatch(world.runtime(), ce.name)
    world.mend(ce)
    world.fault(ce, Fault.REMOVES)
    world.reconcile(ce, world.runtime(by_hand=True))
    after = world.pilot(pilot)
    assert (after.status, after.cause) == (Status.FAILED, Cause.REMOVED)


def test_final_pilots_are_left_alone(world: World) -> None:
    driver = Fake()
    batch = [*world.make(a_pilot().done()), *world.make(a_pilot().lost())]
    result = pilots.cancel(world.with_driver(driver), [str(p.id) for p in batch], yes=True)
    assert result.counts == {"cancelled": 0, "asked": 0, "over already": 2}
    assert driver.calls == []
    assert world.statuses() == {"done": 1, "lost": 1}


def test_what_a_pilot_wrote_is_fetched_from_its_ce(world: World) -> None:
    ce = world.ce(output_lines=2)
    [pilot] = world.sent(ce, 1)
    world.wait(1000)
    assert pilots.output(world.runtime(), str(pilot)).text != ""
    [unsent] = world.reserve(ce, 1)
    with refused(InUse, f"pilot {unsent}", "reserved"):
        pilots.output(world.runtime(), str(unsent))
    world.fault(ce, Fault.DOWN)
    with refused(Unavailable, ce.name):
        pilots.read_output(world.runtime(), str(pilot), pause=world.wait)
