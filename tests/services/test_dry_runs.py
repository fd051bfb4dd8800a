"""A dry run changes nothing at all, and calls no CE."""

from functools import partial

import pytest

from tests.expectations import refused
from tests.factories import MINUTE, a_ce, a_decision, a_pilot
from tests.services.world import Fake, World
from worker.backends.sim.faults import Fault
from worker.db import credentials, pilot_reads, vos
from worker.domain.credential import Credential, CredentialKind
from worker.domain.errors import Invalid, UnknownTask
from worker.domain.schedule import Outcome, Scope
from worker.domain.vo import DEFAULT_VO
from worker.domain.webhook import Webhook
from worker.services.observe.overview import explain, overview
from worker.services.operate import pauses
from worker.services.runtime import TaskResult
from worker.services.tasks import catalogue, execute, learn, ticks

ALL = sorted(catalogue.tasks())
NOBODY = Webhook(url="http://127.0.0.1:9/", secret="s" * 32)
"""A receiver that gets no request, because the waiting events are too old."""


def busy_world(world: World) -> dict[Scope, str | None]:
    """Make a world in which every task has something to do; return the subjects by scope."""
    ce = world.ce(a_ce().named("busy").with_capacity(50))
    over = world.ce(a_ce().named("over"))
    source = {"kind": "command", "command": ["echo", "7"], "unknown": "fill"}
    world.change(lambda tx: vos.change(tx, DEFAULT_VO, source=source))
    pauses.pause(world.runtime(), over.name, "new disks", world.clock + MINUTE)
    ticks.seed(world.database, world.clock)
    learn.learn(world.runtime())
    world.wait(1)
    world.sent(ce, 2)
    world.make(a_pilot().on(ce).done(), 2)
    world.make(a_pilot().on(ce).submitting(), 2)
    world.change(lambda tx: a_decision().on(ce).create(tx))
    token = Credential(backend="sim", kind=CredentialKind.TOKEN, path=str(world.home / "token"))
    world.change(lambda tx: credentials.add(tx, token))
    world.wait(days=60)
    world.make(a_pilot().on(ce).due_at(world.clock - MINUTE), 3)
    world.reserve(ce, 4)
    return {Scope.VO: DEFAULT_VO, Scope.CE: ce.name, Scope.GLOBAL: None}


@pytest.mark.parametrize("name", ALL)
def test_a_dry_run_changes_nothing_at_all_and_calls_no_ce(world: World, name: str) -> None:
    subjects = busy_world(world)
    driver = Fake()
    task = catalogue.get(name)
    before = world.image()
    result = execute.execute(
        task, subjects[task.scope], world.with_driver(driver, by_hand=True), dry_run=True
    )

    assert world.image() == before
    assert driver.calls == []
    assert world.nudges == []
    assert result.outcome is Outcome.OK
    assert sum(result.counts.values()) > 0


@pytest.mark.parametrize("name", ALL)
def test_a_run_does_change_something(world: World, name: str) -> None:
    subjects = busy_world(world)
    task = catalogue.get(name)
    before = world.image()
    runtime = world.runtime(by_hand=True, webhook=NOBODY)
    result = execute.execute(task, subjects[task.scope], runtime)

    assert result.outcome is Outcome.OK
    assert world.image() != before
    [schedule] = [s for s in ticks.list_schedules(world.runtime()) if s.task == name]
    assert schedule.last_outcome is Outcome.OK


def test_to_look_changes_nothing(world: World) -> None:
    busy_world(world)
    before = world.image()
    overview(world.runtime())
    explain(world.runtime(), "busy")
    ticks.list_schedules(world.runtime())
    assert world.image() == before


def test_a_task_says_what_it_would_do(world: World) -> None:
    subjects = busy_world(world)
    counts = {}
    for name in ALL:
        task = catalogue.get(name)
        result = execute.execute(task, subjects[task.scope], world.runtime(), dry_run=True)
        counts[name] = dict(result.counts)
    assert counts["dispatch"] == {"would send": 4}
    assert counts["check_pilots"] == {"would check": 5}
    assert counts["reconcile"] == {"in doubt": 2}
    assert {what: n for what, n in counts["prune"].items() if n} == {
        "old pilots": 2,
        "old decisions": 1,
    }


def test_a_dry_run_of_dispatch_says_what_stands_in_the_way(world: World) -> None:
    ce = world.ce()
    world.reserve(ce, 3)
    run = partial(execute.execute, catalogue.get("dispatch"), ce.name, dry_run=True)
    assert run(world.runtime()) == TaskResult(counts={"would send": 3})

    world.fault(ce, Fault.DOWN)
    world.reconcile(ce)
    down = run(world.runtime())
    assert down.counts == {"would send": 0}
    assert down.lines[0].startswith("no answer since ")
    by_hand = run(world.runtime(by_hand=True))
    assert by_hand.counts == {"would send": 3}, "by hand no back-off counts"

    world.mend(ce)
    world.wait(60)
    world.reconcile(ce)
    pauses.pause(world.runtime(), ce.name, "new disks")
    plan = TaskResult(counts={"would cancel": 3}, lines=("held by hand: new disks",))
    assert run(world.runtime()) == plan


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_task_is_run_for_what_it_is_for(world: World, dry_run: bool) -> None:
    for name, subject in (("learn", "lyon"), ("dispatch", None), ("submit_pilots", None)):
        with refused(Invalid, f"task {name}"):
            execute.execute(catalogue.get(name), subject, world.runtime(), dry_run=dry_run)
    with refused(UnknownTask, "did you mean 'dispatch'"):
        catalogue.get("dispach")


def test_what_is_due_is_left_due_by_a_dry_run(world: World) -> None:
    busy_world(world)
    execute.execute(catalogue.get("check_pilots"), "busy", world.runtime(), dry_run=True)
    with world.database.uow() as tx:
        assert len(pilot_reads.due(tx, "busy", world.clock, 100)) == 5
