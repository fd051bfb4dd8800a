"""Calls to a CE: one execution at a time, not too often, and ever more rarely while it fails."""

from collections.abc import Callable
from datetime import timedelta

import pytest

import celeryconfig
from tests.expectations import broken_by
from tests.factories import a_ce
from tests.services.world import Broken, Fake, Watching, World
from worker import wiring
from worker.backends.sim.faults import Fault
from worker.db import ces
from worker.domain.call_tally import CallKind, CallOutcome
from worker.domain.ce import CE
from worker.domain.errors import CredentialProblem, Invalid, Unavailable, Unreadable
from worker.domain.schedule import Outcome
from worker.services.observe.calls import calls_of
from worker.services.runtime import Runtime, TaskResult
from worker.services.tasks import check_pilots, dispatch, reconcile

Run = Callable[[Runtime, str], TaskResult]
CALLERS: dict[str, Run] = {
    "dispatch": dispatch.dispatch,
    "check_pilots": check_pilots.check_pilots,
    "reconcile": reconcile.reconcile,
}
callers = pytest.mark.parametrize("run", CALLERS.values(), ids=CALLERS)


def with_work(world: World, **options: float) -> CE:
    """Make a CE for which each of the tasks has something to do."""
    soon = {"check_soonest": 0.001, "check_latest": 0.001}
    ce = world.ce(a_ce().with_capacity(100), **soon, **options)
    world.sent(ce, 1)
    world.reserve(ce, 5)
    world.wait(1)
    return ce


@callers
def test_one_execution_at_a_time_calls_a_ce_and_others_are_told_to_come_again(
    world: World, run: Run
) -> None:
    ce = with_work(world)
    results: list[TaskResult] = []

    def others() -> None:
        runtimes = [world.runtime(holder="two", by_hand=by_hand) for by_hand in (False, True)]
        results.extend(
            other(runtime, ce.name) for other in CALLERS.values() for runtime in runtimes
        )

    driver = Watching(others)
    assert run(world.with_driver(driver, batch=1), ce.name).outcome is Outcome.OK

    assert [(result.outcome, result.busy) for result in results] == [(Outcome.SKIPPED, True)] * 6
    assert ce.name in results[0].lines[0]
    assert len(driver.calls) == 1


@callers
def test_another_ce_is_called_meanwhile(world: World, run: Run) -> None:
    ce, other = with_work(world), with_work(world)
    results: list[TaskResult] = []
    driver = Watching(lambda: results.append(run(world.runtime(holder="two"), other.name)))
    run(world.with_driver(driver), ce.name)

    assert [one.outcome for one in results] == [Outcome.OK]


class Killed(BaseException):
    """Stands for the end of a process, which then does nothing more."""


@callers
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_whoever_is_interrupted_gives_the_lease_back(
    world: World, run: Run, error: type[BaseException]
) -> None:
    ce = with_work(world)
    with broken_by(error):
        run(world.with_driver(Broken(error(), after=False)), ce.name)
    world.reserve(ce, 1)

    assert not run(world.runtime(holder="two", by_hand=True), ce.name).busy


@callers
def test_a_lease_whose_holder_died_runs_out_and_is_taken_over(world: World, run: Run) -> None:
    ce = with_work(world)
    with broken_by(Killed):
        run(world.with_driver(Broken(Killed(), after=False)), ce.name)
    world.reserve(ce, 1)
    after = world.runtime(holder="two")

    world.wait(179)
    assert run(after, ce.name).busy
    world.wait(1)
    assert run(after, ce.name).outcome is Outcome.OK
    assert world.lease(ce) is None


def test_who_lost_its_lease_gives_back_no_other(world: World) -> None:
    ce = with_work(world)
    holders: list[str | None] = []

    def too_long() -> None:
        world.wait(180)
        inner = Watching(lambda: None)
        outcome = reconcile.reconcile(world.with_driver(inner, holder="two"), ce.name)
        assert outcome.outcome is Outcome.OK

    def and_a_third() -> None:
        too_long()
        world.wait(1)
        slow = Watching(lambda: holders.append(world.lease(ce)))
        reconcile.reconcile(world.with_driver(slow, holder="three"), ce.name)

    check_pilots.check_pilots(world.with_driver(Watching(and_a_third)), ce.name)
    assert holders == ["three"]
    assert world.lease(ce) is None


@callers
@pytest.mark.parametrize("answer", ["an_answer", "an_error"])
def test_the_lease_is_given_back_with_the_record(world: World, run: Run, answer: str) -> None:
    ce = with_work(world)
    if answer == "an_error":
        world.fault(ce, Fault.DOWN)
    run(world.runtime(), ce.name)
    assert world.lease(ce) is None


@callers
def test_failures_back_a_ce_off_ever_longer_and_an_answer_forgives_them(
    world: World, run: Run
) -> None:
    ce = with_work(world)
    world.fault(ce, Fault.DOWN)
    delays = []
    for failures in range(1, 9):
        world.wait(minutes=11)
        world.reserve(ce, 1)
        assert run(world.runtime(), ce.name).outcome is Outcome.FAILED
        record = world.health(ce)
        assert record.failed_calls == failures
        assert record.retry_at is not None
        delays.append((record.retry_at - world.clock).total_seconds())

    assert delays == [15, 30, 60, 120, 240, 480, 600, 600]
    world.mend(ce)
    assert world.reconcile(ce, world.runtime(by_hand=True)).outcome is Outcome.OK
    assert (world.health(ce).failed_calls, world.health(ce).retry_at) == (0, None)


@callers
def test_a_ce_that_is_backed_off_is_not_called_but_by_hand(world: World, run: Run) -> None:
    ce = with_work(world)
    world.fault(ce, Fault.DOWN)
    reconcile.reconcile(world.runtime(), ce.name)
    world.mend(ce)
    world.wait(14)
    driver = Fake()
    automatic = run(world.with_driver(driver), ce.name)

    assert (automatic.outcome, automatic.busy) == (Outcome.SKIPPED, False)
    assert driver.calls == []
    assert world.lease(ce) is None
    assert "next try at" in automatic.lines[0]
    assert run(world.with_driver(driver, by_hand=True), ce.name).outcome is Outcome.OK
    assert len(driver.calls) == 1


def test_a_ce_that_is_backed_off_keeps_what_is_reserved_for_it(world: World) -> None:
    ce = with_work(world)
    world.fault(ce, Fault.DOWN)
    reconcile.reconcile(world.runtime(), ce.name)
    dispatch.dispatch(world.runtime(), ce.name)
    assert world.statuses() == {"submitted": 1, "reserved": 5}
    world.mend(ce)
    world.wait(15)
    assert dispatch.dispatch(world.runtime(), ce.name).counts["submitted"] == 5


@callers
def test_a_credential_is_no_fault_of_the_ce(world: World, run: Run) -> None:
    ce = with_work(world)
    runtime = world.with_driver(Broken(CredentialProblem("expired"), after=False))
    assert run(runtime, ce.name).outcome is Outcome.FAILED
    assert (world.health(ce).failed_calls, world.health(ce).retry_at) == (0, None)
    assert world.lease(ce) is None


@callers
def test_a_limit_on_calls_binds_what_runs_by_itself(world: World, run: Run) -> None:
    ce = with_work(world, calls_per_minute=2)
    driver = Fake()
    runtime = world.with_driver(driver, batch=1)
    outcomes = []
    for _ in range(4):
        outcomes.append(run(runtime, ce.name).outcome)
        world.wait(1)
    assert outcomes == [Outcome.OK, Outcome.OK, Outcome.SKIPPED, Outcome.SKIPPED]
    assert world.lease(ce) is None
    by_hand = world.with_driver(driver, batch=1, by_hand=True)
    assert run(by_hand, ce.name).outcome is Outcome.OK
    world.wait(30)
    assert run(runtime, ce.name).outcome is Outcome.OK
    assert len(driver.calls) == 4


def test_a_long_stretch_sees_no_more_calls_than_the_limit(world: World) -> None:
    ce = world.ce(calls_per_minute=6)
    driver = Fake()
    runtime = world.with_driver(driver)
    for _ in range(300):
        reconcile.reconcile(runtime, ce.name)
        world.wait(1)
    assert 6 * 5 <= len(driver.calls) <= 6 * 5 + 6


def test_a_limit_of_less_than_one_call_a_minute_still_lets_one_pass(world: World) -> None:
    ce = world.ce(calls_per_minute=0.5)
    driver = Fake()
    runtime = world.with_driver(driver)
    for _ in range(200):
        reconcile.reconcile(runtime, ce.name)
        world.wait(3)
    assert 5 <= len(driver.calls) <= 6


@callers
def test_options_that_make_no_sense_claim_nothing_and_hold_nothing(world: World, run: Run) -> None:
    ce = with_work(world)
    before = world.statuses()
    world.change(lambda tx: ces.change(tx, ce.name, options={"no_such": 1}))
    for by_hand in (False, True):
        with pytest.raises(Invalid, match="no_such"):
            run(world.runtime(by_hand=by_hand), ce.name)
    assert world.statuses() == before
    assert world.lease(ce) is None


def test_a_lease_outlives_the_longest_execution() -> None:
    lease = Runtime.__dataclass_fields__["lease"].default
    assert isinstance(lease, timedelta)
    assert celeryconfig.task_soft_time_limit < celeryconfig.task_time_limit
    assert timedelta(seconds=celeryconfig.task_time_limit) < lease


@pytest.mark.parametrize("limit", ["2", "150", "900.5"])
def test_a_lease_follows_the_time_limit_of_the_settings(
    monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setenv("PILOTAGE_TIME_LIMIT", limit)
    wiring.settings.cache_clear()

    assert wiring.runtime().lease == timedelta(seconds=float(limit) * 1.2)
    assert wiring.runtime().soft_limit == timedelta(seconds=float(limit) * 14 / 15)


@callers
def test_an_unreachable_ce_is_told_with_its_reason(world: World, run: Run) -> None:
    ce = with_work(world)
    result = run(world.with_driver(Broken(Unavailable("no route"), after=False)), ce.name)
    assert result.lines == ("The CE cannot be reached just now: no route",)


def test_each_call_is_counted_with_how_it_went(world: World) -> None:
    ce = with_work(world)

    check_pilots.check_pilots(world.runtime(), ce.name)
    world.wait(60)
    check_pilots.check_pilots(world.with_driver(Broken(Unavailable("no route"))), ce.name)
    world.wait(60)
    check_pilots.check_pilots(world.with_driver(Broken(Unreadable("???"))), ce.name)

    lines = calls_of(world.runtime(), ce.name, world.now() - timedelta(hours=1))
    assert [(line.kind, line.outcome, line.calls) for line in lines] == [
        (CallKind.POLL, CallOutcome.ANSWERED, 1),
        (CallKind.POLL, CallOutcome.UNAVAILABLE, 1),
        (CallKind.POLL, CallOutcome.UNREADABLE, 1),
        (CallKind.SUBMIT, CallOutcome.ANSWERED, 1),
    ]
    first, second, third, _ = (line.last_at for line in lines)
    minute = timedelta(minutes=1)
    assert (second - first, third - second) == (minute, minute)
    assert third <= world.now() < third + minute


def test_a_call_that_is_interrupted_is_not_counted(world: World) -> None:
    ce = with_work(world)

    with pytest.raises(KeyboardInterrupt):
        check_pilots.check_pilots(world.with_driver(Broken(KeyboardInterrupt())), ce.name)

    lines = calls_of(world.runtime(), ce.name, world.now() - timedelta(hours=1))
    assert CallKind.POLL not in {line.kind for line in lines}
