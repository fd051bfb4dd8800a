"""Actions on many pilots at once, and pilots that are sent by hand."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from tests.expectations import refused, statements
from tests.factories import NOW, a_ce, a_pilot, a_vo
from tests.services.world import World
from worker.db import changes, mover, pilot_reads
from worker.domain.errors import ConfirmationNeeded, InUse, Invalid, NoFreeSlot, UnknownVO
from worker.domain.pilot import Cause, Move, Status
from worker.domain.pilot_filter import PilotFilter
from worker.domain.vo import DEFAULT_VO
from worker.services.operate import pauses, pilot_sets
from worker.services.operate.pilot_sets import Batch
from worker.services.tasks.dispatch import dispatch


def cancel(world: World, **values: Any) -> dict[str, int]:
    result = pilot_sets.cancel_matching(world.runtime(), PilotFilter(**values))
    return dict(result.counts)


def to_end(world: World) -> set[int]:
    """Return the ids of the pilots whose end was requested, and of those already cancelled."""
    return {
        pilot.id
        for pilot in world.pilots()
        if pilot.cancel_requested_at is not None or pilot.status is Status.CANCELLED
    }


def ids(batch: Sequence[Any]) -> set[int]:
    return {pilot.id for pilot in batch}


def test_all_active_pilots_that_match_are_to_end_and_no_other(world: World) -> None:
    here, there = world.ce(a_ce().tagged("gpu")), world.ce()
    unsent = world.make(a_pilot().on(here).reserved(), 2)
    active = world.make(a_pilot().on(here).running(), 3)
    world.make(a_pilot().on(here).done())
    others = world.make(a_pilot().on(there).running(), 2)

    assert cancel(world, ce=here.name) == {"cancelled": 2, "asked": 3}
    assert to_end(world) == ids([*unsent, *active])
    assert cancel(world, tag="gpu", statuses=[Status.RESERVED]) == {"cancelled": 0, "asked": 0}
    assert cancel(world, statuses=[Status.RUNNING]) == {"cancelled": 0, "asked": 5}
    assert to_end(world) == ids([*unsent, *active, *others])


def test_the_next_check_ends_what_a_ce_has(world: World) -> None:
    ce = world.ce()
    world.sent(ce, 3)
    world.wait(70)
    world.check(ce)
    assert cancel(world, ce=ce.name) == {"cancelled": 0, "asked": 3}
    for _ in range(2):
        world.check(ce)
        world.wait(20)
    assert world.statuses() == {"cancelled": 3}


def test_the_age_is_that_of_active_pilots(world: World) -> None:
    ce = world.ce()
    old = world.make(a_pilot().on(ce).running(), 2)
    world.make(a_pilot().on(ce).failed(Cause.NODE))
    world.wait(hours=2)
    world.make(a_pilot().on(ce).running(), 2)

    assert cancel(world, older_than=timedelta(hours=1)) == {"cancelled": 0, "asked": 2}
    assert to_end(world) == ids(old)
    with world.database.uow() as tx:
        of_age = pilot_reads.find(tx, now=world.clock, older_than=timedelta(hours=1)).items
        failures = pilot_reads.find(tx, causes=[Cause.NODE]).items
    assert ids(of_age) == ids(old)
    assert [pilot.cause for pilot in failures] == [Cause.NODE]


def test_who_means_every_pilot_or_an_empty_name_is_refused(world: World) -> None:
    world.make(a_pilot().running())
    with refused(Invalid, "every pilot"):
        cancel(world)
    with refused(Invalid, "every pilot"):
        cancel(world, search="")
    for name in ("ce", "tag", "vo", "node", "handle"):
        with refused(Invalid, name, "it is empty"):
            cancel(world, **{name: ""})
    with refused(Invalid, "below zero"):
        cancel(world, older_than=timedelta(seconds=-1))
    with refused(UnknownVO, "nobody"):
        cancel(world, vo="nobody")
    assert to_end(world) == set()


def test_nothing_ends_without_a_yes_and_the_number_is_said(world: World) -> None:
    one, two = world.ce(), world.ce()
    world.make(a_pilot().on(one).running(), 2)
    world.make(a_pilot().on(two).reserved())
    message = "this would cancel 3 pilots at 2 CEs (1 reserved, 2 running)"
    with refused(ConfirmationNeeded, message):
        pilot_sets.cancel_with_progress(
            world.runtime(), PilotFilter(vo=DEFAULT_VO), yes=False, each=iter
        )
    counts = pilot_sets.count_active(world.runtime(), PilotFilter(vo=DEFAULT_VO))
    assert counts[one.name] == {Status.RUNNING: 2}
    assert to_end(world) == set()


def test_who_reads_no_further_keeps_those_that_are_left(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pilot_sets, "BATCH", 2)
    ce = world.ce(a_ce().with_capacity(20))
    batch = world.make(a_pilot().on(ce).running(), 5)
    batches = pilot_sets.cancel_in_batches(world.runtime(), PilotFilter(ce=ce.name))

    assert next(batches)["asked"] == 2
    assert to_end(world) == ids(batch[:2])
    assert next(batches)["asked"] == 4
    assert to_end(world) == ids(batch[:4])


def test_the_set_is_fixed_when_it_begins_and_who_stops_leaves_whole_batches(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pilot_sets, "BATCH", 2)
    ce = world.ce(a_ce().with_capacity(20))
    batch = world.make(a_pilot().on(ce).running(), 5)

    def stop_after_one(batches: Sequence[Batch]) -> Iterator[Batch]:
        yield batches[0]
        world.make(a_pilot().on(ce).running())
        raise KeyboardInterrupt

    filters = PilotFilter(ce=ce.name)
    with pytest.raises(KeyboardInterrupt):
        pilot_sets.cancel_with_progress(world.runtime(), filters, yes=True, each=stop_after_one)
    assert to_end(world) == ids(batch[:2])
    with world.database.uow() as tx:
        [row] = [
            c
            for c in changes.find(tx, since=NOW - timedelta(days=9000)).items
            if c.what == "pilot cancel"
        ]
    assert row.after == {"count": 5, "ce": ce.name}


def test_one_that_is_sent_in_between_is_asked_for_like_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ce = world.ce()
    [pilot] = world.reserve(ce, 1)

    def send_first(batches: Sequence[Batch]) -> Iterator[Batch]:
        move = Move(pilot_id=pilot, to=Status.SUBMITTING)
        world.change(lambda tx: mover.move(tx, [move], world.clock))
        yield from batches

    result = pilot_sets.cancel_with_progress(
        world.runtime(), PilotFilter(ce=ce.name), yes=True, each=send_first
    )
    assert dict(result.counts) == {"cancelled": 0, "asked": 1}
    assert to_end(world) == {pilot}


def test_a_thousand_cost_as_many_statements_as_one(world: World) -> None:
    def cost(number: int) -> int:
        ce = world.ce(a_ce().with_capacity(number))
        world.make(a_pilot().on(ce).running(), number)
        with statements(world.database.engine) as sql:
            assert cancel(world, ce=ce.name)["asked"] == number
        return len(sql)

    assert cost(1) == cost(1000) <= 12


# By hand


def test_pilots_are_sent_by_hand_whatever_the_policy_would_do(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(5))
    result = pilot_sets.submit(world.runtime(), ce.name, DEFAULT_VO, 8)
    assert (len(result.pilots), result.count) == (5, 8)
    assert world.nudges == [("dispatch", ce.name)]
    assert dispatch(world.runtime(), ce.name).counts["submitted"] == 5
    with refused(NoFreeSlot, ce.name):
        pilot_sets.submit(world.runtime(), ce.name, DEFAULT_VO, 1)


def test_no_pilot_is_sent_by_hand_where_none_may_be(world: World) -> None:
    ce = world.ce()
    vo = world.vo(a_vo().limited_to(1))
    pauses.pause(world.runtime(), ce.name, "new disks")
    with refused(InUse, "held by hand: new disks"):
        pilot_sets.submit(world.runtime(), ce.name, vo.name, 1)
    pauses.resume(world.runtime(), ce.name)
    theirs = world.ce(a_ce().only_for(world.vo()))
    with refused(InUse, "the CE is for other VOs"):
        pilot_sets.submit(world.runtime(), theirs.name, vo.name, 1)
    assert len(pilot_sets.submit(world.runtime(), ce.name, vo.name, 3).pilots) == 1
    for count in (0, -1, 10_001):
        with refused(Invalid, "count"):
            pilot_sets.submit(world.runtime(), ce.name, vo.name, count)
    with world.database.uow() as tx:
        [row] = [
            c
            for c in changes.find(tx, since=NOW - timedelta(days=9000)).items
            if c.what == "ce submit"
        ]
    assert row.after == {"vo": vo.name, "count": 1}
