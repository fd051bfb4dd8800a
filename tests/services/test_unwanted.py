"""Unwanted jobs at a CE, and `ce diff`, which shows, adopts and cancels them."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from tests.expectations import refused
from tests.factories import a_ce
from tests.services.world import Broken, Fake, World
from worker.db import ces, mover
from worker.db.uow import is_open
from worker.domain.ce import CE
from worker.domain.ce_answers import Job, Listing, Order
from worker.domain.errors import CalledElsewhere, ConfirmationNeeded, Unavailable, UnknownVO
from worker.domain.pilot import AT_CE, Move, Status
from worker.services.operate.ce_diff import diff
from worker.services.tasks.dispatch import dispatch

PLACES = pytest.mark.parametrize("tells_ce", [True, False])
"""With and without the CE of each job in the listing."""


def two_ces_at_one_place(world: World, *, tells_ce: bool) -> tuple[CE, CE]:
    """Make two CEs whose listings show the jobs of both; both end unwanted jobs."""

    def a_ce_beside(name: str, other: str) -> CE:
        ce = a_ce().named(name).with_capacity(20).cancelling_strangers()
        return world.ce(ce, neighbours=[other], tells_ce=tells_ce)

    return a_ce_beside("main", "gpu"), a_ce_beside("gpu", "main")


def a_stranger(world: World, ce: CE) -> str:
    """Send a job that the database does not know; return its stamp."""
    order = Order(stamp=uuid4().hex, vo="default")
    world.runtime().driver(ce).submit([order])
    return order.stamp


def a_leftover(world: World, ce: CE) -> int:
    """Make a pilot that has ended in the database while its job goes on."""
    [one] = world.sent(ce, 1)
    world.change(lambda tx: mover.move(tx, [Move(pilot_id=one, to=Status.DONE)], world.clock))
    return one


def alive(world: World, ce: CE) -> set[str]:
    listing = world.runtime().driver(ce).find()
    return {job.stamp for job in listing.jobs if job.status in AT_CE}


def test_a_stranger_is_told_of_and_left_alone(world: World) -> None:
    ce = world.ce()
    stamp = a_stranger(world, ce)
    result = world.reconcile(ce)

    assert result.counts["strangers"] == 1
    assert any(stamp in line for line in result.lines)
    assert alive(world, ce) == {stamp}


def test_strangers_and_leftovers_are_ended_where_the_operator_wants_it(world: World) -> None:
    ce = world.ce()
    own = world.sent(ce, 2)
    a_stranger(world, ce)
    a_leftover(world, ce)
    world.wait(1)
    world.change(lambda tx: ces.change(tx, ce.name, cancel_strangers=True))
    result = world.reconcile(ce)

    assert (result.counts["strangers"], result.counts["leftovers"]) == (1, 1)
    assert result.counts["cancelled"] == 2
    assert alive(world, ce) == {world.pilot(one).stamp for one in own}


def test_a_pilot_that_ended_while_the_ce_was_asked_is_no_leftover(world: World) -> None:
    ce = world.ce()
    [one] = world.sent(ce, 1)

    class Quick(Fake):
        def find(self) -> Listing:
            listing = super().find()
            world.wait(1)
            move = Move(pilot_id=one, to=Status.DONE)
            world.change(lambda tx: mover.move(tx, [move], world.clock))
            return listing

    assert world.reconcile(ce, world.with_driver(Quick())).counts["leftovers"] == 0


def test_a_stamp_that_a_ce_has_twice_is_told_of(world: World) -> None:
    ce = world.ce()

    class Twice(Fake):
        def find(self) -> Listing:
            listing = super().find()
            doubles = [job._replace(handle=f"{job.handle}9") for job in listing.jobs]
            return replace(listing, jobs=[*doubles, *listing.jobs])

    world.sent(ce, 1)
    result = world.reconcile(ce, world.with_driver(Twice()))
    assert result.counts["doubles"] == 1
    assert world.statuses() == {"submitted": 1}


def test_nothing_is_sent_once_the_lease_has_run_out(world: World) -> None:
    ce = world.ce()
    world.reserve(ce, 2)
    fake = Fake()

    def now() -> datetime:
        """Return a time ten minutes later from the moment that the claim is committed."""
        if not is_open() and world.statuses() == {"submitting": 2}:
            return world.clock + timedelta(minutes=10)
        return world.clock

    result = dispatch(world.with_driver(fake, now=now), ce.name)
    assert result.counts == {"in doubt": 2}
    assert fake.calls == []
    world.wait(600)
    world.reconcile(ce)
    world.wait(600)
    world.reconcile(ce)
    assert world.statuses() == {"lost": 2}


class StandsStill(Fake):
    """A driver whose listing takes so long that another execution adopts the jobs in it."""

    def __init__(self, world: World, ce: CE) -> None:
        super().__init__()
        self._world, self._ce = world, ce

    def find(self) -> Listing:
        listing = super().find()
        self._world.wait(600)
        runtime = self._world.runtime(by_hand=True, holder="two")
        assert diff(runtime, self._ce.name, adopt_for="default", yes=True).adopted == 1
        return listing


class StandsStillLater(Fake):
    """A driver of a process that stands still after its record, before its next call."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self._listed = False

    def find(self) -> Listing:
        self._listed = True
        return super().find()

    def now(self) -> datetime:
        later = timedelta(minutes=10 if self._listed and not is_open() else 0)
        return self._world.clock + later


def test_a_job_is_not_ended_after_somebody_else_could_adopt_it(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(20).cancelling_strangers())
    stamp = a_stranger(world, ce)
    world.reconcile(ce, world.with_driver(still := StandsStill(world, ce), holder="one"))
    assert "cancel" not in still.calls
    assert alive(world, ce) == {stamp}

    other = a_stranger(world, ce)
    still = StandsStill(world, ce)
    with refused(CalledElsewhere, ce.name, "try again"):
        runtime = world.with_driver(still, by_hand=True, holder="one")
        diff(runtime, ce.name, cancel=True, yes=True)
    assert "cancel" not in still.calls
    assert other in alive(world, ce)


def test_who_stands_still_after_the_record_ends_no_job(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(20).cancelling_strangers())
    stamp = a_stranger(world, ce)
    late = StandsStillLater(world)
    result = world.reconcile(ce, world.with_driver(late, now=late.now))
    assert (result.counts["strangers"], result.counts["cancelled"]) == (1, 0)

    late = StandsStillLater(world)
    runtime = world.with_driver(late, by_hand=True, now=late.now)
    assert diff(runtime, ce.name, cancel=True, yes=True).cancelled == 0
    assert alive(world, ce) == {stamp}


def test_diff_shows_both_sides(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(20))
    own, absent = world.sent(ce, 2)
    stamp = a_stranger(world, ce)
    leftover = a_leftover(world, ce)
    world.reserve(ce, 1)
    dispatch(world.with_driver(Broken(Unavailable("reset"), after=False), by_hand=True), ce.name)
    jobs = [Job(stamp=world.pilot(absent).stamp, handle=world.pilot(absent).handle or "")]
    world.runtime().driver(ce).cancel(jobs)
    world.wait(1)
    comparison = diff(world.runtime(by_hand=True), ce.name, yes=False)

    words = {one.pilot_id or one.stamp: one.what for one in comparison.differences}
    [doubtful] = [p.id for p in world.pilots() if p.status is Status.SUBMITTING]
    assert words == {
        stamp: "no pilot has its stamp",
        leftover: "ended in our database, still alive at the CE",
        doubtful: "not in the CE's listing",
    }
    assert [one.pilot_id for one in comparison.expected] == [absent]
    assert comparison.complete
    assert world.pilot(own).status is Status.SUBMITTED
    assert world.lease(ce) is None


def test_a_healthy_busy_ce_does_not_differ(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(20), visibility_delay=60)
    first, second = world.sent(ce, 2)
    world.wait(61)
    world.runtime().driver(ce).cancel(
        [Job(stamp=world.pilot(second).stamp, handle=world.pilot(second).handle or "")]
    )
    [new] = world.sent(ce, 1)

    class Lagging(Fake):
        def find(self) -> Listing:
            listing = super().find()
            jobs = [job for job in listing.jobs if job.stamp != world.pilot(new).stamp]
            return replace(listing, jobs=jobs)

    comparison = diff(world.with_driver(Lagging(), by_hand=True), ce.name, yes=False)
    assert comparison.differences == []
    assert [one.pilot_id for one in comparison.expected] == [first, second]

    world.wait(61)
    comparison = diff(world.with_driver(Lagging(), by_hand=True), ce.name, yes=False)
    assert [one.pilot_id for one in comparison.differences] == [new]


def test_diff_adopts_what_nobody_knows_and_the_limits_hold_after_it(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(1))
    world.sent(ce, 1)
    stamp = a_stranger(world, ce)
    with refused(ConfirmationNeeded, "adopt 1"):
        diff(world.runtime(by_hand=True), ce.name, adopt_for="default", yes=False)
    assert len(world.pilots()) == 1
    comparison = diff(world.runtime(by_hand=True), ce.name, adopt_for="default", yes=True)

    assert comparison.adopted == 1
    [pilot] = [p for p in world.pilots() if p.stamp == stamp]
    assert pilot.status is Status.SUBMITTED
    assert [step.became for step in world.history(pilot.id)] == [
        Status.SUBMITTING,
        Status.SUBMITTED,
    ]
    assert diff(world.runtime(by_hand=True), ce.name, yes=False).differences == []
    with pytest.raises(AssertionError):
        world.reserve(ce, 1)


def test_diff_cancels_what_is_unwanted(world: World) -> None:
    ce = world.ce()
    [own] = world.sent(ce, 1)
    a_stranger(world, ce)
    a_leftover(world, ce)
    world.clock += timedelta(seconds=1)
    comparison = diff(world.runtime(by_hand=True), ce.name, cancel=True, yes=True)

    assert comparison.cancelled == 2
    assert alive(world, ce) == {world.pilot(own).stamp}


def test_diff_waits_for_no_other_and_lets_go_whatever_happens(world: World) -> None:
    ce = world.ce()
    with refused(Unavailable, "down"):
        diff(world.with_driver(Broken(Unavailable("down")), by_hand=True), ce.name, yes=False)
    assert world.lease(ce) is None
    with refused(UnknownVO, "nobody"):
        diff(world.runtime(by_hand=True), ce.name, adopt_for="nobody", yes=True)
    assert world.lease(ce) is None

    class Meanwhile(Fake):
        def find(self) -> Listing:
            with refused(CalledElsewhere, ce.name, "try again"):
                diff(world.runtime(by_hand=True, holder="two"), ce.name, yes=False)
            return super().find()

    assert diff(world.with_driver(Meanwhile(), by_hand=True), ce.name, yes=False).complete


@PLACES
def test_two_ces_at_one_place_leave_each_other_s_pilots_alone(world: World, tells_ce: bool) -> None:
    main, gpu = two_ces_at_one_place(world, tells_ce=tells_ce)
    ids = [*world.sent(main, 3), *world.sent(gpu, 4)]
    for seconds in (1, 120, 300):
        world.wait(seconds)
        for ce in (main, gpu):
            result = world.reconcile(ce)
            assert [result.counts[one] for one in ("strangers", "leftovers", "cancelled")] == [
                0
            ] * 3
            assert result.lines == ()
            comparison = diff(world.runtime(by_hand=True), ce.name, cancel=True, yes=True)
            assert comparison.cancelled == 0
            world.check(ce)
            assert diff(world.runtime(by_hand=True), ce.name, yes=False).differences == []
    assert {world.pilot(one).status for one in ids} == {Status.RUNNING}


@PLACES
def test_a_leftover_is_ended_by_its_own_ce_and_shown_by_the_other(
    world: World, tells_ce: bool
) -> None:
    main, gpu = two_ces_at_one_place(world, tells_ce=tells_ce)
    leftover = world.pilot(a_leftover(world, gpu))
    world.wait(1)

    result = world.reconcile(main)
    assert (result.counts["leftovers"], result.counts["cancelled"], result.lines) == (0, 0, ())
    comparison = diff(
        world.runtime(by_hand=True), main.name, cancel=True, adopt_for="default", yes=True
    )
    assert [(one.pilot_id, one.ce) for one in comparison.differences] == [(leftover.id, gpu.name)]
    assert (comparison.adopted, comparison.cancelled) == (0, 0)
    assert alive(world, gpu) == {leftover.stamp}

    result = world.reconcile(gpu)
    assert (result.counts["leftovers"], result.counts["cancelled"]) == (1, 1)
    assert alive(world, gpu) == set()


def test_a_stranger_that_names_its_ce_is_ended_and_adopted_there_only(world: World) -> None:
    main, gpu = two_ces_at_one_place(world, tells_ce=True)
    stamp = a_stranger(world, gpu)

    assert world.reconcile(main).counts["strangers"] == 0
    comparison = diff(world.runtime(by_hand=True), main.name, adopt_for="default", yes=True)
    assert [(one.stamp, one.ce) for one in comparison.differences] == [(stamp, gpu.name)]
    assert comparison.adopted == 0
    comparison = diff(world.runtime(by_hand=True), gpu.name, adopt_for="default", yes=True)
    assert comparison.adopted == 1
    assert [pilot.ce for pilot in world.pilots()] == [gpu.name]


@PLACES
def test_a_pilot_in_doubt_is_adopted_by_its_own_ce_only(world: World, tells_ce: bool) -> None:
    main, gpu = two_ces_at_one_place(world, tells_ce=tells_ce)
    [pilot_id] = world.reserve(gpu, 1)
    dispatch(world.with_driver(Broken(Unavailable("reset")), by_hand=True), gpu.name)
    world.wait(1)

    assert world.reconcile(main).counts["adopted"] == 0
    assert world.pilot(pilot_id).status is Status.SUBMITTING
    result = world.reconcile(gpu, world.runtime(by_hand=True))
    assert result.counts["adopted"] == 1
    assert world.pilot(pilot_id).status is Status.SUBMITTED
