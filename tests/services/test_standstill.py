"""Firings are counted until a worker executes them; so it is known whether workers are alive."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.factories import a_ce, a_vo
from tests.services.world import Broken, World
from worker.backends.sim.faults import Fault
from worker.db.schedules import Schedule
from worker.domain.errors import Unavailable
from worker.domain.schedule import Outcome, Scope
from worker.services.observe.metrics import metrics
from worker.services.observe.overview import overview
from worker.services.operate.ce_inventory import show_ce
from worker.services.standstill import Standstill, sentence
from worker.services.standstill import standstills as standstills_of
from worker.services.tasks import catalogue, execute, ticks

PLAN = {task.name for task in catalogue.BUILT_IN if task.queue == catalogue.PLAN and task.every}


def tick(world: World, seconds: float = 60, *, times: int = 1) -> None:
    """Let time pass with a scheduler and without a worker."""
    for _ in range(times):
        world.wait(seconds)
        ticks.claim_due(world.database, world.clock)


def begin(world: World) -> None:
    ticks.seed(world.database, world.clock)
    ticks.claim_due(world.database, world.clock)


def schedule(world: World, task: str, vo: str | None = None) -> Schedule:
    [match] = [
        one for one in ticks.list_schedules(world.runtime()) if (one.task, one.vo) == (task, vo)
    ]
    return match


def run(world: World, task: str, subject: str | None = None, *, by_hand: bool = False) -> Outcome:
    runtime = world.runtime(by_hand=by_hand)
    return execute.execute(catalogue.get(task), subject, runtime).outcome


def run_all(world: World) -> None:
    """Execute the messages of one tick as a worker does."""
    for task in catalogue.BUILT_IN:
        subjects: list[str | None] = [None]
        if task.scope is not Scope.GLOBAL:
            with world.database.uow() as tx:
                subjects = [*task.subjects(tx, world.clock)]
        for subject in subjects:
            run(world, task.name, subject)


def standstills(world: World) -> dict[str, Standstill]:
    return {one.queue: one for one in overview(world.runtime()).standstills}


def test_dead_workers_are_seen_after_a_few_firings_and_not_before(world: World) -> None:
    world.ce()
    began = world.clock
    begin(world)
    tick(world, times=3)
    assert standstills(world) == {}, "an execution may last for three minutes"
    tick(world)

    result = standstills(world)
    assert set(result) == {catalogue.PLAN, catalogue.CALL}
    plan = result[catalogue.PLAN]
    assert {plan.task, *plan.others} == PLAN
    assert (plan.firings, plan.since, plan.alive) == (5, began, False)
    assert sentence(plan, world.clock) == (
        f"{plan.task} fired 5 times since {began:%H:%M}Z and no worker has done it "
        f"(also {', '.join(plan.others)}): no worker takes the queue plan; "
        "start one with 'celery -A pilotage worker -Q plan', or 'pilotage up'"
    )


def test_a_ce_that_no_worker_calls_is_not_called_normal(world: World) -> None:
    ce, disabled = world.ce(), world.ce(a_ce().disabled())
    begin(world)
    run(world, "reconcile", ce.name)
    moment = world.clock
    tick(world, times=5)

    lines = {line.name: line for line in overview(world.runtime()).ces}
    assert lines[ce.name].state == f"not asked since {moment:%H:%M}Z: no worker calls it"
    assert lines[disabled.name].state.startswith("disabled: since ")
    assert show_ce(world.runtime(), ce.name).state == f"not asked since {moment:%H:%M}Z"
    [line] = [
        line
        for line in metrics(world.runtime()).splitlines()
        if line.startswith(f'pilotage_ce_gets_pilots{{backend="sim",ce="{ce.name}"')
    ]
    assert line.endswith(" 0.0")

    run(world, "reconcile", ce.name)
    assert show_ce(world.runtime(), ce.name).state == "normal"


def test_a_site_that_works_is_not_warned_of(world: World) -> None:
    world.ce()
    begin(world)
    for _ in range(8):
        run_all(world)
        tick(world)
        assert standstills(world) == {}
    assert schedule(world, "submit_pilots").done_at is not None


def test_one_queue_without_a_worker_is_named_alone(world: World) -> None:
    world.ce()
    begin(world)
    for _ in range(5):
        for name in PLAN:
            run(world, name, "default" if catalogue.get(name).scope is Scope.VO else None)
        tick(world)
    assert set(standstills(world)) == {catalogue.CALL}


def test_a_worker_that_skips_an_execution_is_alive(world: World) -> None:
    ce = world.ce()
    begin(world)
    world.reserve(ce, 1)
    world.fault(ce, Fault.DOWN)
    assert run(world, "reconcile", ce.name) is Outcome.FAILED
    for _ in range(6):
        tick(world, 1)
        assert run(world, "reconcile", ce.name) is Outcome.SKIPPED
    tick(world, 120)
    assert run(world, "reconcile", ce.name) is Outcome.FAILED
    tick(world, 120)
    world.wait(-110)  # so that its back-off is not over
    assert schedule(world, "reconcile").pending == 1
    assert run(world, "reconcile", ce.name) is Outcome.SKIPPED
    assert (schedule(world, "reconcile").pending, schedule(world, "reconcile").done_at) == (
        0,
        world.clock,
    )


def test_a_tick_for_nobody_waits_for_no_worker(world: World) -> None:
    begin(world)
    tick(world, times=5)
    for task in ("dispatch", "check_pilots", "reconcile", "ask_demand"):
        assert schedule(world, task).last_at is not None
        assert schedule(world, task).pending == 0


def test_what_is_switched_off_is_not_missed(world: World) -> None:
    begin(world)
    tick(world, times=5)
    for name in catalogue.tasks():
        ticks.set_schedule(world.runtime(), name, enabled=False)
    assert standstills(world) == {}
    for name in catalogue.tasks():
        ticks.set_schedule(world.runtime(), name, enabled=True)
    assert standstills(world) == {}, "it has not fired since"
    old = Schedule(task="learn", every=60.0, pending=9, pending_since=world.clock)
    for is_enabled in (True, False):
        later, one = world.clock + timedelta(hours=1), replace(old, enabled=is_enabled)
        assert bool(standstills_of([one], later, timedelta(minutes=3))) is is_enabled


def test_what_fired_before_a_long_break_does_not_count(world: World) -> None:
    begin(world)
    tick(world, times=2)
    world.wait(hours=12)
    tick(world, times=3)
    assert standstills(world) == {}
    tick(world, times=2)
    assert set(standstills(world)) == {catalogue.PLAN, catalogue.CALL}
    assert standstills(world)[catalogue.PLAN].firings == 5


def test_a_run_by_hand_shows_no_worker(world: World) -> None:
    begin(world)
    tick(world, times=5)
    run(world, "learn", by_hand=True)
    learn = schedule(world, "learn")
    assert (learn.done_at, learn.pending) == (None, 6)
    assert (learn.last_outcome, learn.outcome_at) == (Outcome.OK, world.clock)


def test_a_queue_whose_workers_do_other_tasks_is_slow_and_not_dead(world: World) -> None:
    begin(world)
    tick(world, times=5)
    run(world, "learn")
    result = standstills(world)[catalogue.PLAN]
    assert result.alive
    assert "learn" not in (result.task, *result.others)
    assert sentence(result, world.clock).endswith("the workers of the queue plan do not keep up")
    tick(world, times=4)
    assert sentence(standstills(world)[catalogue.PLAN], world.clock).endswith(
        "no worker takes the queue plan; "
        "start one with 'celery -A pilotage worker -Q plan', or 'pilotage up'"
    )


def test_a_vo_with_a_schedule_of_its_own_counts_on_its_own(world: World) -> None:
    lhcb = world.vo(a_vo().named("lhcb"))
    begin(world)
    ticks.set_schedule(world.runtime(), "submit_pilots", vo=lhcb.name, every=30)
    tick(world, 30, times=4)
    run(world, "submit_pilots", "default")
    assert schedule(world, "submit_pilots").pending == 0
    assert schedule(world, "submit_pilots", "lhcb").pending == 4
    run(world, "submit_pilots", "lhcb")
    assert schedule(world, "submit_pilots", "lhcb").pending == 0


@pytest.mark.parametrize("seconds", [2, 300])
def test_the_limit_follows_the_longest_execution(world: World, seconds: float) -> None:
    begin(world)
    tick(world, times=4)
    runtime = replace(world.runtime(), lease=timedelta(seconds=seconds))
    assert bool(overview(runtime).standstills) is (seconds == 2)


def test_a_failure_for_one_ce_stands_until_the_same_ce_is_well(world: World) -> None:
    ill, well = world.ce(), world.ce()
    begin(world)
    secret = "password=hunter2 "
    error = Unavailable(f"squeue:\nSocket timed out {secret} {'x' * 1000}")
    runtime = world.with_driver(Broken(error, after=False))
    execute.execute(catalogue.get("reconcile"), ill.name, runtime)
    failed_at = world.clock
    world.wait(5)
    assert run(world, "reconcile", well.name) is Outcome.OK

    result = schedule(world, "reconcile")
    assert (result.failed_at, result.failed_for) == (failed_at, ill.name)
    assert result.failure is not None
    assert result.failure.startswith("The CE cannot be reached just now: squeue: Socket timed out")
    assert len(result.failure) == 300
    assert "hunter2" not in result.failure
    world.wait(60)
    assert run(world, "reconcile", ill.name) is Outcome.OK
    result = schedule(world, "reconcile")
    assert (result.failed_at, result.failed_for, result.failure) == (None, None, None)
    assert (result.last_outcome, result.outcome_at) == (Outcome.OK, world.clock)


def test_a_failure_that_is_a_day_old_is_history(world: World) -> None:
    ill, well = world.ce(), world.ce()
    begin(world)
    runtime = world.with_driver(Broken(Unavailable("down"), after=False))
    execute.execute(catalogue.get("reconcile"), ill.name, runtime)
    world.wait(hours=25)
    run(world, "reconcile", well.name)
    assert schedule(world, "reconcile").failure is None
