"""Pilots that others send: their CE decides their status, and every promise holds for them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from tests.expectations import refused, statements
from tests.factories import a_ce, a_pilot, a_vo
from tests.services.world import World
from worker.db import changes, dirac_search
from worker.domain.ce import CE
from worker.domain.ce_answers import Order
from worker.domain.dirac import (
    Condition,
    DiracStatus,
    PilotChange,
    Registration,
    Search,
    condition,
)
from worker.domain.errors import AlreadyExists, IllegalMove, InUse, Invalid, NoFreeSlot
from worker.domain.pilot import Pilot, Status
from worker.domain.vo import DEFAULT_VO
from worker.services.operate.dirac_pilots import register, report, search, summary

STAMP = "0123456789abcdef" * 2


def register_pilot(world: World, ce: CE, stamp: str = STAMP, **more: Any) -> Pilot:
    new = Registration(stamp=stamp, vo=DEFAULT_VO, ce=ce.name, **more)
    return world.pilot(register(world.runtime(), new))


def list_repeatedly(world: World, ce: CE, number: int) -> None:
    """List a CE some times, each time late enough for a listing to show everything."""
    for _ in range(number):
        world.wait(minutes=10)
        world.reconcile(ce)


def test_a_registered_pilot_is_taken_for_what_its_ce_says(world: World) -> None:
    ce = world.ce(a_ce().cancelling_strangers())
    pilot = register_pilot(world, ce, reference="somebody's 17", status=DiracStatus.RUNNING)
    [receipt] = world.runtime().driver(ce).submit([Order(stamp=STAMP, vo=DEFAULT_VO)])

    assert (pilot.status, pilot.handle) == (Status.SUBMITTING, None)
    world.reconcile(ce)
    after = world.pilot(pilot.id)
    assert (after.status, after.handle) == (Status.SUBMITTED, receipt.handle)
    world.wait(minutes=5)
    world.check(ce)
    assert world.pilot(pilot.id).status is Status.RUNNING


def test_one_that_never_arrives_frees_its_slot_and_is_taken_back_if_it_comes(
    world: World,
) -> None:
    ce = world.ce(a_ce().with_capacity(1).cancelling_strangers())
    pilot = register_pilot(world, ce)
    world.reconcile(ce)
    assert world.pilot(pilot.id).status is Status.SUBMITTING
    list_repeatedly(world, ce, 3)
    assert world.pilot(pilot.id).status is Status.LOST

    world.runtime().driver(ce).submit([Order(stamp=STAMP, vo=DEFAULT_VO)])
    world.reconcile(ce)
    assert world.pilot(pilot.id).status is Status.SUBMITTED


def test_a_job_without_the_stamp_in_its_name_is_left_alone(world: World) -> None:
    ce = world.ce()
    [other] = world.sent(ce, 1)
    handle = world.pilot(other).handle
    pilot = register_pilot(world, ce, reference=handle)
    list_repeatedly(world, ce, 3)

    assert world.pilot(pilot.id).status is Status.LOST
    assert world.pilot(other).cancel_requested_at is None


def test_no_dispatch_sends_a_registered_pilot(world: World) -> None:
    ce = world.ce()
    register_pilot(world, ce)
    assert world.sent(ce, 1)
    assert len(world.reconcile(ce).counts) > 0
    [pilot, own] = world.pilots()
    assert (pilot.status, own.status) == (Status.SUBMITTING, Status.SUBMITTED)


def test_every_limit_holds(world: World) -> None:
    full = world.ce(a_ce().with_capacity(1))
    register_pilot(world, full)
    with refused(NoFreeSlot, full.name):
        register_pilot(world, full, "1" * 32)
    with refused(AlreadyExists, STAMP):
        register_pilot(world, full)
    draining = world.ce(a_ce().draining())
    with refused(InUse, draining.name):
        register_pilot(world, draining, "2" * 32)
    private = world.ce(a_ce().only_for(world.vo(a_vo())))
    with refused(InUse, "the CE is for other VOs"):
        register_pilot(world, private, "3" * 32)
    assert len(world.pilots()) == 1


def test_who_registered_and_reported_is_noted(world: World) -> None:
    ce = world.ce()
    pilot = register_pilot(world, ce, reference="17", more={"grid_site": "LCG.Example.org"})
    report(world.runtime(), {STAMP: PilotChange(reason="it waits for a token")})

    with world.database.uow() as tx:
        rows = changes.find(tx, world.now() - timedelta(days=10_000), of=str(pilot.id)).items
    registration, update = rows[-2:] if rows[0].at < rows[-1].at else rows[:2][::-1]
    assert registration.after is not None
    assert update.after is not None
    assert registration.after["reference"] == "17"
    assert registration.after["grid_site"] == "LCG.Example.org"
    assert update.after["reason"] == "it waits for a token"


def test_a_lost_pilot_may_be_said_to_have_ended_and_never_to_live(world: World) -> None:
    ce = world.ce()
    [pilot] = world.make(a_pilot().on(ce).that_is(Status.LOST))
    for word in (DiracStatus.RUNNING, DiracStatus.WAITING, DiracStatus.FAILED):
        with refused(IllegalMove, pilot.stamp):
            report(world.runtime(), {pilot.stamp: PilotChange(status=word)})
    report(world.runtime(), {pilot.stamp: PilotChange(status=DiracStatus.DONE)})
    assert world.pilot(pilot.id).status is Status.DONE


@pytest.mark.parametrize("number", [1, 300])
def test_statements_do_not_grow_with_pilots(world: World, number: int) -> None:
    ce = world.ce(a_ce().with_capacity(1000))
    batch = world.make(a_pilot().on(ce).that_is(Status.SUBMITTED), number)
    reports = {
        one.stamp: PilotChange(status=DiracStatus.RUNNING if one.id % 2 else None, reason="x")
        for one in batch
    }
    by_reference = condition("PilotJobReference", "in", [one.stamp for one in batch])
    engine = world.database.engine
    with statements(engine) as sql:
        report(world.runtime(), reports)
        search(world.runtime(), Search(conditions=[by_reference]))
        summary(world.runtime(), ["StatusReason"], [by_reference])
        search(world.runtime(), Search())
        summary(world.runtime(), ["Status", "VO"], [])
    assert len([one for one in sql if not one.startswith(("BEGIN", "SAVEPOINT"))]) <= 16


def test_what_would_read_too_much_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dirac_search, "MOST_READ", 5)
    ce = world.ce(a_ce().with_capacity(1000))
    other = world.ce(a_ce().named("small"))
    batch = world.make(a_pilot().on(ce).that_is(Status.DONE), 8)
    world.make(a_pilot().on(other), 2)

    def find(*conditions: Condition, order: Sequence[tuple[str, bool]] = (), page: int = 1) -> Any:
        query = Search(conditions=conditions, order=order, page=page, length=2)
        return search(world.runtime(), query)

    by_reason = condition("StatusReason", "like", ["%x%"])
    behind = condition("PilotID", "gt", [batch[1].id])
    with refused(Invalid, "the search would read more"):
        find(by_reason)
    with refused(Invalid, "the search would read more"):
        find(order=[("StatusReason", False)])
    with refused(Invalid, "pages end"):
        find(page=5)
    assert find(page=6).total == 10
    assert find(condition("DestinationSite", "eq", ["small"]), by_reason).total == 0
    assert find().total == 10
    part = find(behind, condition("VO", "eq", [DEFAULT_VO]))
    assert (part.total, len(part.pilots)) == (None, 2)
    with refused(Invalid, "the search would read more"):
        summary(world.runtime(), ["StatusReason"], [])
    assert summary(world.runtime(), ["Status"], []) == [
        {"Status": "Done", "count": 8},
        {"Status": "Waiting", "count": 2},
    ]
