"""dispatch: reserved pilots are sent in bulk, each stamp once, and each answer is stored."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.expectations import refused, statements
from tests.factories import a_ce
from tests.patience import PATIENCE
from tests.services.world import Fake, Watching, World
from worker.backends.sim.faults import Fault
from worker.db import ces, pilot_reads, pilots, vos
from worker.db.uow import Transaction
from worker.domain.ce import CE
from worker.domain.ce_answers import Order, Receipt
from worker.domain.errors import UnknownCE
from worker.domain.pilot import Cause, Status
from worker.domain.schedule import Outcome
from worker.domain.vo import DEFAULT_VO, VO
from worker.services import payloads
from worker.services.payloads import Ready
from worker.services.runtime import Runtime
from worker.services.tasks.dispatch import dispatch, plan


def close(world: World, ce: CE, how: str) -> None:
    change = {"disabled": {"enabled": False}, "draining": {"draining": True}}[how]
    world.change(lambda tx: ces.change(tx, ce.name, **change))


def test_what_is_reserved_is_sent_in_one_call_and_recorded(world: World) -> None:
    driver = Fake()
    ce = world.ce()
    other = world.vo()
    ids = [*world.reserve(ce, 3), *world.reserve(ce, 2, other.name)]
    result = dispatch(world.with_driver(driver), ce.name)

    assert result.counts == {"submitted": 5, "refused": 0, "in doubt": 0}
    assert driver.calls == ["submit"]
    assert len(world.jobs(ce)) == 5
    for pilot in map(world.pilot, ids):
        assert (pilot.status, pilot.submitted_at) == (Status.SUBMITTED, world.clock)
        assert pilot.handle is not None
        assert pilot.next_check_at is not None
        assert pilot.next_check_at > world.clock


def test_a_pilot_is_told_who_it_is(world: World) -> None:
    orders: list[Order] = []

    class Listening(Fake):
        def submit(self, orders_: Sequence[Order]) -> Sequence[Receipt]:
            orders.extend(orders_)
            return super().submit(orders_)

    ce = world.ce()
    world.reserve(ce, 1)
    dispatch(world.with_driver(Listening()), ce.name)
    [pilot], [order] = world.pilots(), orders

    assert order == Order(stamp=pilot.stamp, vo=pilot.vo)


def test_nothing_reserved_is_nothing_to_do(world: World) -> None:
    driver = Fake()
    ce = world.ce()
    result = dispatch(world.with_driver(driver), ce.name)

    assert (result.outcome, result.busy) == (Outcome.SKIPPED, False)
    assert driver.calls == []
    with refused(UnknownCE, "nowhere"):
        dispatch(world.runtime(), "nowhere")


def test_a_batch_is_sent_at_the_most_and_the_next_execution_goes_on(world: World) -> None:
    ce = world.ce()
    world.reserve(ce, 10)
    runtime = world.runtime(batch=4)

    counts = [dispatch(runtime, ce.name).counts["submitted"] for _ in range(3)]
    assert counts == [4, 4, 2]
    assert len(set(world.jobs(ce))) == 10


@pytest.mark.parametrize("how", ["disabled", "draining"])
def test_a_ce_that_takes_no_more_is_sent_nothing_and_its_slots_are_freed(
    world: World, how: str
) -> None:
    driver = Fake()
    ce = world.ce()
    world.sent(ce, 2)
    world.reserve(ce, 3)
    close(world, ce, how)
    result = dispatch(world.with_driver(driver), ce.name)

    assert result.counts == {"cancelled": 3}
    assert driver.calls == []
    assert world.statuses() == {"submitted": 2, "cancelled": 3}


@pytest.mark.parametrize("change", [{"enabled": False}, {"draining": True}], ids=str)
def test_a_vo_that_gets_no_more_is_sent_nothing_and_its_slots_are_freed(
    world: World, change: dict[str, bool]
) -> None:
    word = "draining" if "draining" in change else "disabled"
    unsent_are_cancelled(
        world,
        lambda tx, ce, other: vos.change(tx, DEFAULT_VO, **change),
        f"VO {DEFAULT_VO}: the VO is {word}",
    )


def test_a_vo_that_may_no_longer_use_the_ce_is_sent_nothing_and_its_slots_are_freed(
    world: World,
) -> None:
    unsent_are_cancelled(
        world,
        lambda tx, ce, other: ces.allow(tx, ce.name, [other.name]),
        f"VO {DEFAULT_VO}: the CE is for other VOs",
    )


def unsent_are_cancelled(
    world: World, close: Callable[[Transaction, CE, VO], object], sentence: str
) -> None:
    """Close a VO that has pilots at a CE: those that were not sent are cancelled, and no others."""
    ce, other = world.ce(), world.vo()
    world.sent(ce, 1)
    world.reserve(ce, 2)
    [kept] = world.reserve(ce, 1, other.name)
    world.change(lambda tx: close(tx, ce, other))

    would = plan(world.runtime(), ce.name)
    assert (would.counts, would.lines) == ({"would cancel": 2}, (sentence,))
    result = dispatch(world.runtime(), ce.name)
    assert (result.counts, result.lines) == ({"cancelled": 2}, (sentence,))
    assert world.pilot(kept).status is Status.RESERVED
    assert dispatch(world.runtime(), ce.name).counts["submitted"] == 1
    assert world.statuses() == {"submitted": 2, "cancelled": 2}
    cancelled = [pilot for pilot in world.pilots() if pilot.status is Status.CANCELLED]
    assert {world.history(pilot.id)[-1].reason for pilot in cancelled} == {sentence}


@pytest.mark.parametrize("how", ["disabled", "draining"])
def test_pilots_that_a_closed_ce_has_are_looked_after_to_their_end(world: World, how: str) -> None:
    ce = world.ce()
    world.sent(ce, 2)
    close(world, ce, how)
    for seconds in (70, 700):
        world.wait(seconds)
        assert world.check(ce).counts["moved"] == 2
    assert world.statuses() == {"done": 2}


def test_a_ce_that_closes_cancels_no_pilot_that_was_sent_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ce = world.ce()
    owners = dict.fromkeys([*world.sent(ce, 1), *world.reserve(ce, 1)], DEFAULT_VO)
    close(world, ce, "disabled")
    # Another process may have claimed, sent and recorded a pilot since this one read it.
    monkeypatch.setattr(pilot_reads, "unsent", lambda tx, name: owners)
    dispatch(world.runtime(), ce.name)

    assert world.statuses() == {"submitted": 1, "cancelled": 1}


def test_a_vo_whose_pilots_are_reserved_meanwhile_is_sent_by_the_next_execution(
    postgresql_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = postgresql_world
    ce, other = world.ce(), world.vo()
    first, second = world.reserve(ce, 2)
    theirs: list[int] = []
    prepare = payloads.ready

    def others() -> None:
        world.change(lambda tx: pilots.cancel_reserved(tx, [first], "not needed", world.now()))
        theirs.extend(world.reserve(ce, 1, other.name))

    def ready(*facts: Any) -> Ready:
        """Prepare what this process has read; others cancel and reserve at this moment."""
        with ThreadPoolExecutor(1) as thread:
            thread.submit(others).result(PATIENCE)
        return prepare(*facts)

    with monkeypatch.context() as patch:
        patch.setattr(payloads, "ready", ready)
        assert dispatch(world.runtime(), ce.name).counts["submitted"] == 1

    [their] = theirs
    assert world.pilot(second).status is Status.SUBMITTED
    assert world.pilot(their).status is Status.RESERVED
    assert dispatch(world.runtime(), ce.name).counts["submitted"] == 1
    assert world.pilot(their).status is Status.SUBMITTED


def test_refusals_are_failures_with_their_cause_and_the_others_are_sent(world: World) -> None:
    ce = world.ce()
    ids = world.reserve(ce, 4)
    stamps = [world.pilot(i).stamp for i in ids[:2]]
    world.fault(ce, Fault.REFUSES, cause=Cause.QUOTA, reason="no room", stamps=stamps)
    result = dispatch(world.runtime(), ce.name)

    assert result.counts == {"submitted": 2, "refused": 2, "in doubt": 0}
    assert len(world.jobs(ce)) == 2
    for pilot in map(world.pilot, ids[:2]):
        assert (pilot.status, pilot.cause, pilot.reason) == (Status.FAILED, Cause.QUOTA, "no room")


def test_a_refusal_as_a_whole_fails_them_all(world: World) -> None:
    ce = world.ce()
    world.reserve(ce, 3)
    world.fault(ce, Fault.REFUSES, whole=True, cause=Cause.QUOTA)
    result = dispatch(world.runtime(), ce.name)

    assert result.outcome is Outcome.FAILED
    assert result.counts == {"refused": 3}
    assert {(p.status, p.cause) for p in world.pilots()} == {(Status.FAILED, Cause.QUOTA)}


def test_the_credential_of_one_vo_fails_its_pilots_alone(world: World) -> None:
    ce = world.ce()
    locked_out = world.vo()
    world.reserve(ce, 2)
    world.reserve(ce, 3, locked_out.name)
    world.fault(ce, Fault.CREDENTIAL, vo=locked_out.name)
    result = dispatch(world.runtime(), ce.name)

    assert result.counts == {"submitted": 2, "refused": 3, "in doubt": 0}
    assert {p.cause for p in world.pilots() if p.vo == locked_out.name} == {Cause.CREDENTIAL}


def test_a_credential_that_has_expired_fails_them_all_and_does_not_back_the_ce_off(
    world: World,
) -> None:
    ce = world.ce()
    world.reserve(ce, 3)
    world.fault(ce, Fault.CREDENTIAL)
    result = dispatch(world.runtime(), ce.name)

    assert result.outcome is Outcome.FAILED
    assert {(p.status, p.cause) for p in world.pilots()} == {(Status.FAILED, Cause.CREDENTIAL)}
    assert (world.health(ce).failed_calls, world.health(ce).retry_at) == (0, None)
    assert world.jobs(ce) == []


def test_what_a_failed_execution_committed_stays_and_its_outcome_says_so(world: World) -> None:
    ce = world.ce()
    world.reserve(ce, 3)
    world.fault(ce, Fault.DOWN)
    result = dispatch(world.runtime(), ce.name)

    assert result.outcome is Outcome.FAILED
    assert world.statuses() == {"submitting": 3}
    assert "what it committed before stays" in Outcome.FAILED.sentence


@pytest.mark.parametrize("spoil", ["handle", "stamp"])
def test_a_receipt_that_says_nothing_leaves_its_pilot_in_doubt(world: World, spoil: str) -> None:
    class Vague(Fake):
        def submit(self, orders: Sequence[Order]) -> Sequence[Receipt]:
            first, *rest = super().submit(orders)
            nothing = {"handle": None} if spoil == "handle" else {"stamp": "f" * 32}
            return [first._replace(**nothing), *rest]

    ce = world.ce()
    world.reserve(ce, 3)
    result = dispatch(world.with_driver(Vague()), ce.name)

    assert result.counts == {"submitted": 2, "refused": 0, "in doubt": 1}
    assert world.statuses() == {"submitting": 1, "submitted": 2}
    world.reconcile(ce)
    assert world.statuses() == {"submitted": 3}


def test_a_stamp_is_never_sent_twice(world: World) -> None:
    class Counting(Fake):
        def submit(self, orders: Sequence[Order]) -> Sequence[Receipt]:
            self.calls.extend(order.stamp for order in orders)
            return []

    driver = Counting()
    ce = world.ce()
    world.reserve(ce, 5)
    runtime = world.with_driver(driver)
    for _ in range(4):
        dispatch(runtime, ce.name)
        world.wait(600)
    assert len(driver.calls) == len(set(driver.calls)) == 5
    assert world.statuses() == {"submitting": 5}


def test_a_limit_on_submissions_is_spent_by_what_is_sent_alone(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(100), submissions_per_minute=60)
    world.reserve(ce, 2)
    assert dispatch(world.runtime(), ce.name).counts["submitted"] == 2
    world.reserve(ce, 70)
    assert dispatch(world.runtime(), ce.name).counts["submitted"] == 58
    assert dispatch(world.runtime(), ce.name).outcome is Outcome.SKIPPED
    assert world.lease(ce) is None
    world.wait(5)
    assert dispatch(world.runtime(), ce.name).counts["submitted"] == 5


def test_a_limit_on_submissions_does_not_bind_who_dispatches_by_hand(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(20), submissions_per_minute=2)
    world.reserve(ce, 20)
    assert dispatch(world.runtime(by_hand=True), ce.name).counts["submitted"] == 20


def test_the_number_of_statements_does_not_grow(world: World) -> None:
    counts = []
    for number in (1, 300):
        ce = world.ce(a_ce().with_capacity(number))
        world.reserve(ce, number)
        with statements(world.database.engine) as sql:
            assert dispatch(world.runtime(), ce.name).counts["submitted"] == number
        counts.append(len(sql))
    assert counts[0] == counts[1]


def test_a_driver_that_cannot_be_made_claims_nothing(world: World) -> None:
    class Unmade(Fake):
        def for_ce(self, *args: object) -> "Unmade":
            raise RuntimeError("no such command")

    ce = world.ce()
    world.reserve(ce, 2)
    runtime: Runtime = world.with_driver(Unmade())
    with pytest.raises(RuntimeError, match="no such command"):
        dispatch(runtime, ce.name)

    assert world.statuses() == {"reserved": 2}
    assert world.lease(ce) is None


def test_two_dispatches_of_a_ce_do_not_call_it_at_once(world: World) -> None:
    ce = world.ce()
    world.reserve(ce, 4)
    others = []
    driver = Watching(
        lambda: others.append(dispatch(world.runtime(holder="two", batch=2), ce.name))
    )
    result = dispatch(world.with_driver(driver, batch=2), ce.name)

    assert result.counts["submitted"] == 2
    assert [(one.outcome, one.busy) for one in others] == [(Outcome.SKIPPED, True)]
    assert world.statuses() == {"reserved": 2, "submitted": 2}
