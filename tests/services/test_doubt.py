"""Whatever happens to a call, every job has one pilot and every pilot ends."""

from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from tests.expectations import statements
from tests.factories import a_ce, a_pilot
from tests.services.world import Broken, Fake, World
from worker.backends.sim.faults import Fault
from worker.db import mover, pilot_reads, pilots, retention
from worker.domain.ce import CE
from worker.domain.ce_answers import Listing, Order, Receipt
from worker.domain.errors import Unavailable, Unreadable
from worker.domain.pilot import Grant, Move, Status
from worker.domain.schedule import Outcome
from worker.services.tasks.dispatch import dispatch as run


class Killed(BaseException):
    """Stands for the end of a process."""


DELAY = 30.0
ACCIDENTS: dict[str, Callable[[], BaseException]] = {
    "unavailable": lambda: Unavailable("connection reset"),
    "unreadable": lambda: Unreadable("<html>", "no answer"),
    "a_mistake_of_the_driver": lambda: KeyError("JobId"),
    "an_interrupt": KeyboardInterrupt,
    "a_kill": Killed,
}


def accident(
    world: World, ce: CE, error: BaseException, *, has_arrived: bool, count: int = 3
) -> None:
    """Send pilots in a call that fails, after it has arrived at the CE or before."""
    world.reserve(ce, count)
    runtime = world.with_driver(Broken(error, after=has_arrived))
    if isinstance(error, Exception):
        assert run(runtime, ce.name).outcome is Outcome.FAILED
    else:
        with pytest.raises(type(error)):
            run(runtime, ce.name)


@pytest.mark.parametrize("has_arrived", [True, False], ids=["arrived", "never_arrived"])
@pytest.mark.parametrize("make", ACCIDENTS.values(), ids=ACCIDENTS)
def test_pilots_of_a_call_that_was_lost_are_settled_and_never_sent_again(
    world: World, make: Callable[[], BaseException], has_arrived: bool
) -> None:
    ce = world.ce(visibility_delay=DELAY)
    accident(world, ce, make(), has_arrived=has_arrived)

    # In doubt: they keep their slots and nothing sends them again, whoever holds the lease.
    assert world.statuses() == {"submitting": 3}
    world.wait(600)
    assert run(world.runtime(holder="two"), ce.name).outcome is Outcome.SKIPPED
    assert world.statuses() == {"submitting": 3}

    for _ in range(2):
        assert world.reconcile(ce, world.runtime(holder="two")).outcome is Outcome.OK
        world.wait(120)
    assert world.statuses() == ({"running": 3} if has_arrived else {"lost": 3})
    assert Counter(world.jobs(ce)) == Counter(p.stamp for p in world.pilots() if has_arrived)


def test_a_pilot_is_adopted_once_with_the_handle_that_the_ce_gave_it(world: World) -> None:
    ce = world.ce()
    accident(world, ce, Unavailable("connection reset"), has_arrived=True)
    first = world.reconcile(ce, world.runtime(by_hand=True))
    again = world.reconcile(ce, world.runtime(by_hand=True))

    assert (first.counts["adopted"], again.counts["adopted"]) == (3, 0)
    assert len({pilot.handle for pilot in world.pilots()} - {None}) == 3
    for pilot in world.pilots():
        became = [step.became for step in world.history(pilot.id)]
        assert became == [Status.RESERVED, Status.SUBMITTING, Status.SUBMITTED]
    world.wait(700)
    world.check(ce)
    assert world.statuses() == {"done": 3}


def test_a_pilot_that_ended_before_it_was_adopted_is_taken_for_what_it_was(world: World) -> None:
    ce = world.ce()
    accident(world, ce, Unavailable("connection reset"), has_arrived=True)
    world.wait(1000)
    world.reconcile(ce)
    assert world.statuses() == {"done": 3}


def test_a_pilot_is_not_given_up_before_the_ce_must_show_it(world: World) -> None:
    ce = world.ce(visibility_delay=DELAY)
    accident(world, ce, Unavailable("connection reset"), has_arrived=False, count=1)
    by_hand = world.runtime(by_hand=True)

    for _ in range(5):
        world.reconcile(ce, by_hand)
    world.wait(DELAY)
    for _ in range(5):
        world.reconcile(ce, by_hand)
    assert world.statuses() == {"submitting": 1}
    world.wait(0.001)
    world.reconcile(ce, by_hand)
    assert world.statuses() == {"submitting": 1}
    result = world.reconcile(ce, by_hand)
    assert result.counts["given up"] == 1
    assert world.statuses() == {"lost": 1}


SILENT = {
    "cut_short": (Fault.TRUNCATES, {"share": 1.0}),
    "empty": (Fault.ANSWERS_NOTHING, {}),
    "half": (Fault.ANSWERS_HALF, {"share": 1.0}),
    "unreadable": (Fault.UNREADABLE, {}),
    "down": (Fault.DOWN, {}),
    "credential": (Fault.CREDENTIAL, {}),
    "slow": (Fault.SLOW, {"seconds": 5}),
}


@pytest.mark.parametrize(("fault", "settings"), SILENT.values(), ids=SILENT)
def test_a_listing_that_may_lack_something_gives_no_pilot_up(
    world: World, fault: Fault, settings: dict[str, float]
) -> None:
    ce = world.ce(call_timeout=0.01)
    accident(world, ce, Unavailable("connection reset"), has_arrived=True)
    world.wait(60)
    world.fault(ce, fault, **settings)
    for _ in range(6):
        world.reconcile(ce, world.runtime(by_hand=True))
        world.wait(minutes=10)
    assert world.statuses() == {"submitting": 3}
    world.mend(ce)
    world.reconcile(ce)
    assert world.statuses() == {"done": 3}


def test_one_complete_listing_between_two_that_fail_is_not_enough(world: World) -> None:
    ce = world.ce()
    accident(world, ce, Unavailable("connection reset"), has_arrived=False, count=1)
    by_hand = world.runtime(by_hand=True)
    for _ in range(3):
        world.wait(60)
        world.fault(ce, Fault.DOWN)
        world.reconcile(ce, by_hand)
        world.mend(ce)
    world.wait(60)
    world.reconcile(ce, by_hand)
    world.fault(ce, Fault.TRUNCATES)
    world.reconcile(ce, by_hand)
    assert world.statuses() == {"submitting": 1}
    world.mend(ce)
    world.reconcile(ce, by_hand)
    assert world.statuses() == {"lost": 1}


@pytest.mark.parametrize("share", [0.5, 0.0, 1.0])
def test_receipts_that_are_missing_leave_their_pilots_in_doubt_and_no_other(
    world: World, share: float
) -> None:
    ce = world.ce()
    world.reserve(ce, 8)
    world.fault(ce, Fault.ANSWERS_HALF, share=share)
    result = run(world.runtime(), ce.name)
    world.mend(ce)
    doubts = round(8 * share)

    assert result.counts == {"submitted": 8 - doubts, "refused": 0, "in doubt": doubts}
    world.reconcile(ce)
    assert world.statuses() == {"submitted": 8}
    assert len({pilot.handle for pilot in world.pilots()}) == 8


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_a_lost_reply_costs_no_job_and_makes_none_twice(world: World, share: float) -> None:
    ce = world.ce()
    world.reserve(ce, 8)
    world.fault(ce, Fault.LOSES_REPLY, share=share)
    run(world.runtime(), ce.name)
    world.mend(ce)
    stamps = world.jobs(ce)
    for _ in range(3):
        world.wait(1)
        world.reconcile(ce, world.runtime(by_hand=True))

    statuses = {"submitted": len(stamps), "lost": 8 - len(stamps)}
    assert world.statuses() == {status: n for status, n in statuses.items() if n}
    assert sorted(p.stamp for p in world.pilots() if p.status is Status.SUBMITTED) == sorted(stamps)


def test_a_lost_pilot_that_turns_up_is_taken_back_even_above_the_limit(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(3))
    world.reserve(ce, 3)
    world.fault(ce, Fault.LATE, seconds=1000)
    world.fault(ce, Fault.LOSES_REPLY)
    run(world.runtime(), ce.name)
    world.mend(ce)
    for _ in range(2):
        world.wait(60)
        world.reconcile(ce, world.runtime(by_hand=True))
    assert world.statuses() == {"lost": 3}

    world.sent(ce, 3)
    world.wait(880)
    world.reconcile(ce, world.runtime(by_hand=True))
    statuses = world.statuses()
    assert statuses.get("lost", 0) == 0
    assert sum(statuses.values()) == 6
    assert all(pilot.handle is not None for pilot in world.pilots())


def test_a_pilot_that_a_check_lost_is_revived_by_the_next_listing(world: World) -> None:
    ce = world.ce(run_time=10**6)
    [pilot] = world.sent(ce, 1)
    world.fault(ce, Fault.FORGETS)
    for _ in range(5):
        world.wait(minutes=5)
        world.check(ce)
    assert world.pilot(pilot).status is Status.LOST
    assert world.pilot(pilot).ended_at is not None

    world.mend(ce)
    world.reconcile(ce)
    after = world.pilot(pilot)
    assert (after.status, after.ended_at) == (Status.RUNNING, None)
    assert after.next_check_at is not None
    world.wait(days=12)
    world.check(ce)
    assert world.pilot(pilot).status is Status.DONE


def test_stamps_that_nobody_knows_are_reported_and_left_alone(world: World) -> None:
    ce = world.ce()
    world.sent(ce, 2)
    with world.database.uow() as tx:
        [pilot, _] = pilot_reads.find(tx).items
        mover.move(tx, [Move(pilot_id=pilot.id, to=Status.DONE)], world.clock)
        retention.remove(tx, "pilots", world.clock.replace(year=2030), 10)
    result = world.reconcile(ce)

    assert result.outcome is Outcome.OK
    assert result.counts["strangers"] == 1
    assert pilot.stamp in result.lines[0]
    assert world.statuses() == {"submitted": 1}


def test_a_ce_that_counts_from_one_again_does_not_keep_all_its_pilots_in_doubt(
    world: World,
) -> None:
    class Young(Fake):
        def submit(self, orders: Sequence[Order]) -> Sequence[Receipt]:
            return [Receipt(stamp=one.stamp, handle=str(n)) for n, one in enumerate(orders)]

    ce = world.ce()
    world.reserve(ce, 1)
    run(world.with_driver(Young()), ce.name)
    [old] = world.pilots()
    world.change(lambda tx: mover.move(tx, [Move(pilot_id=old.id, to=Status.DONE)], world.clock))
    world.reserve(ce, 3)
    run(world.with_driver(Young()), ce.name)
    assert world.statuses() == {"done": 1, "submitted": 3}


def test_a_stamp_at_another_ce_than_its_own_moves_nothing(world: World) -> None:
    ours, theirs = world.ce(), world.ce()
    accident(world, ours, Unavailable("connection reset"), has_arrived=False, count=1)
    [pilot] = world.pilots()

    class Mistaken(Fake):
        def find(self) -> Listing:
            listing = super().find()
            job = Order(stamp=pilot.stamp, vo=pilot.vo)
            self._driver.submit([job])
            return listing

    world.reconcile(theirs, world.with_driver(Mistaken()))
    result = world.reconcile(theirs)

    assert result.counts["adopted"] == 0
    assert world.statuses() == {"submitting": 1}


def test_a_listing_moves_no_pilot_that_a_check_will_ask_after(world: World) -> None:
    ce = world.ce()
    world.sent(ce, 2)
    world.wait(100)
    result = world.reconcile(ce)

    assert result.counts["listed"] == 2
    assert not any(count for what, count in result.counts.items() if what != "listed")
    assert world.statuses() == {"submitted": 2}


def test_pilots_in_doubt_hold_their_slots(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(3))
    accident(world, ce, Unavailable("connection reset"), has_arrived=False, count=3)
    with world.database.uow() as tx:
        grant = Grant(vo="default", ce=ce.name, count=1)
        assert pilots.reserve(tx, [grant], world.clock) == []


def test_the_number_of_statements_does_not_grow(world: World) -> None:
    counts = []
    for number in (1, 200):
        ce = world.ce(a_ce().with_capacity(2 * number))
        accident(world, ce, Unavailable("reset"), has_arrived=True, count=number)
        world.wait(600)
        accident(world, ce, Unavailable("reset"), has_arrived=False, count=number)
        world.wait(600)
        world.make(a_pilot().on(world.ce(a_ce().with_capacity(number))).lost(), number)
        with statements(world.database.engine) as sql:
            result = world.reconcile(ce)
        assert result.counts["adopted"] == number
        counts.append(len(sql))
    assert counts[0] == counts[1]
