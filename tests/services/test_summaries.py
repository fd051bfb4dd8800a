"""learn, report, prune, overview and explain: what they store of the past, and what they show."""

import threading
from datetime import timedelta
from typing import Any

import pytest

from tests.expectations import refused, statements
from tests.factories import MINUTE, NOW, a_ce, a_decision, a_health, a_pilot, a_vo
from tests.patience import wait_for
from tests.services.world import World
from worker.db import locks, mover, reports
from worker.domain.errors import UnknownCE
from worker.domain.pilot import Cause, Move, Status
from worker.domain.schedule import Outcome
from worker.domain.sending import Sending
from worker.domain.vo import DEFAULT_VO
from worker.policy.learning import evaluate
from worker.services.observe import overview
from worker.services.runtime import TaskResult
from worker.services.tasks import catalogue, execute, learn, prune, report, submit_pilots


def rate(world: World, ce: Any) -> float:
    knowledge = world.health(ce).learned
    return evaluate(knowledge, now=world.clock, configured=ce.success_rate).chances.all


def begin_to_learn(world: World) -> None:
    """Begin to learn now, because a new CE counts from the creation of its database."""
    learn.learn(world.runtime())
    world.wait(1)


# Each end with its effect on the rate: 1 for a good end, -1 for a fault of the CE, else 0.
ENDS: dict[str, tuple[Any, int]] = {
    "done": (a_pilot().done(), 1),
    "failed_by_the_ce": (a_pilot().failed(Cause.NODE), -1),
    "refused": (a_pilot().failed(Cause.REFUSED), -1),
    "lost": (a_pilot().lost(), -1),
    "cancelled_by_us": (a_pilot().cancelled(), 0),
    "removed_by_others": (a_pilot().failed(Cause.REMOVED), 0),
    "credential": (a_pilot().failed(Cause.CREDENTIAL), 0),
    "quota": (a_pilot().failed(Cause.QUOTA), 0),
    "still_running": (a_pilot().running(), 0),
}


@pytest.mark.parametrize(("builder", "effect"), ENDS.values(), ids=ENDS)
def test_only_what_is_to_a_ces_credit_or_fault_changes_its_rate(
    world: World, builder: Any, effect: int
) -> None:
    ce = world.ce(a_ce().with_success_rate(0.5))
    begin_to_learn(world)
    world.make(builder.on(ce), 5)
    result = learn.learn(world.runtime())

    assert result.outcome is Outcome.OK
    difference = rate(world, ce) - 0.5
    assert difference * effect > 0.05 if effect else difference == pytest.approx(0, abs=1e-3)


def test_an_outcome_is_folded_in_once(world: World) -> None:
    ce = world.ce()
    begin_to_learn(world)
    world.make(a_pilot().on(ce).failed(), 4)
    counts = []
    for _ in range(3):
        world.wait(1)
        counts.append(learn.learn(world.runtime()).counts["outcomes"])
    assert counts[0] > 0
    assert counts[1:] == [0, 0]


def test_an_end_at_the_very_moment_of_learning_is_folded_in_once(world: World) -> None:
    ce = world.ce()
    begin_to_learn(world)
    world.make(a_pilot().on(ce).done(), 2)
    first = learn.learn(world.runtime()).counts["outcomes"]
    second = learn.learn(world.runtime()).counts["outcomes"]
    assert first > 0
    assert second == 0


def test_what_was_learnt_steers_the_next_allocation(world: World) -> None:
    good, bad = world.ce(a_ce().named("good")), world.ce(a_ce().named("bad"))
    begin_to_learn(world)
    world.make(a_pilot().on(bad).failed(), 10)
    world.make(a_pilot().on(good).done(), 10)
    learn.learn(world.runtime())
    result = submit_pilots.submit_pilots(world.runtime(budget=9), DEFAULT_VO)
    places = [pilot.ce for pilot in world.pilots() if pilot.status is Status.RESERVED]

    assert result.counts["reserved"] == 9
    assert (places.count("good"), places.count("bad")) == (9, 0)
    assert world.health(bad).sending is Sending.PAUSED
    world.wait(600)
    submit_pilots.submit_pilots(world.runtime(), DEFAULT_VO)
    places = [pilot.ce for pilot in world.pilots() if pilot.status is Status.RESERVED]
    assert places.count("bad") == 1  # a probe


@pytest.mark.parametrize(("run", "name"), [(learn.learn, "learn"), (prune.prune, "prune")])
def test_two_that_do_it_at_once_do_it_once(postgresql_world: World, run: Any, name: str) -> None:
    results: list[Any] = []
    with postgresql_world.database.uow() as tx:
        assert locks.try_lock(tx, name)
        thread = threading.Thread(target=lambda: results.append(run(postgresql_world.runtime())))
        thread.start()
        wait_for(thread)
    assert [(result.outcome, result.busy) for result in results] == [(Outcome.SKIPPED, True)]


def test_a_report_counts_what_there_is_and_is_kept(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(9))
    world.make(a_pilot().on(ce).running(), 2)
    world.make(a_pilot().on(ce).done(), 3)
    result = report.report(world.runtime())
    with world.database.uow() as tx:
        [row] = reports.find(tx).items

    assert result.counts == {"running": 2, "done": 3, "free slots": 7}
    assert (row.at, row.summary["pilots"]) == (world.clock, {"running": 2, "done": 3})
    assert row.summary["free_slots"] == 7


def deletions(result: TaskResult) -> dict[str, int]:
    return {what: count for what, count in result.counts.items() if count}


def test_what_is_old_enough_is_forgotten_and_nothing_else(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(50))
    old = [
        builder.on(ce)
        for builder in (
            a_pilot().done(),
            a_pilot().failed(),
            a_pilot().lost(),
            a_pilot().cancelled(),
        )
    ]
    for builder in old:
        world.make(builder)
    active = [a_pilot().on(ce).that_is(s) for s in (Status.RESERVED, Status.SUBMITTING)]
    active += [a_pilot().on(ce).submitted(), a_pilot().on(ce).running()]
    for builder in active:
        world.make(builder)
    world.change(lambda tx: a_decision().on(ce).create(tx))
    report.report(world.runtime())
    world.wait(days=30)
    world.make(a_pilot().on(ce).done())
    assert deletions(prune.prune(world.runtime(by_hand=True))) == {"decisions": 1}
    world.wait(1)
    plan = prune.plan(world.runtime())
    result = prune.prune(world.runtime(by_hand=True))

    assert deletions(result) == {"pilots": 4}
    assert list(plan.counts.values()) == list(result.counts.values())
    statuses = {"reserved": 1, "submitting": 1, "submitted": 1, "running": 1, "done": 1}
    assert world.statuses() == statuses
    assert all(world.history(pilot.id) for pilot in world.pilots())


def test_one_execution_forgets_a_bounded_number_and_the_next_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune, "AT_ONCE", 4)
    world.make(a_pilot().done(), 10)
    world.wait(days=31)
    counts = [prune.prune(world.runtime(by_hand=True)).counts["pilots"] for _ in range(4)]
    assert counts == [4, 4, 2, 0]


@pytest.mark.parametrize("name", ["learn", "report", "prune"])
def test_the_number_of_statements_does_not_grow(world: World, name: str) -> None:
    counts = []
    for number in (1, 200):
        ce = world.ce(a_ce().with_capacity(number))
        world.make(a_pilot().on(ce).done(), number)
        world.wait(days=40)
        with statements(world.database.engine) as sql:
            execute.execute(catalogue.get(name), None, world.runtime())
        counts.append(len(sql))
    assert counts[0] == counts[1]


def test_an_overview_shows_what_there_is_in_a_handful_of_statements(world: World) -> None:
    full = world.ce(a_ce().named("full").with_capacity(4))
    world.ce(a_ce().named("off").disabled())
    world.ce(a_ce().named("draining").draining())
    paused = world.ce(a_ce().named("paused"))
    world.change(lambda tx: a_health().of(paused).opened("it broke").create(tx))
    for status in (Status.RESERVED, Status.SUBMITTING, Status.SUBMITTED, Status.RUNNING):
        world.make(a_pilot().on(full).that_is(status))
    submit_pilots.submit_pilots(world.runtime(), DEFAULT_VO)
    with statements(world.database.engine) as sql:
        page = overview.overview(world.runtime())
    line = {ce.name: ce for ce in page.ces}

    assert (line["full"].reserved, line["full"].submitting) == (1, 1)
    assert (line["full"].submitted, line["full"].running, line["full"].free) == (1, 1, 0)
    assert [
        line[name].state.partition(": since ")[0] for name in ("full", "off", "draining", "paused")
    ] == [
        "normal",
        "disabled",
        "draining",
        f"paused since {NOW:%H:%M}Z: it broke",
    ]
    assert page.at == world.clock
    assert len(page.decisions) == 4
    assert page.transitions[0][1].id > page.transitions[-1][1].id
    assert len(sql) <= 15


def test_an_explanation_is_the_last_decision_at_a_moment(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(3))
    other = world.vo(a_vo().demanding(0))
    submit_pilots.submit_pilots(world.runtime(), DEFAULT_VO)
    world.wait(60)
    submit_pilots.submit_pilots(world.runtime(), DEFAULT_VO)
    submit_pilots.submit_pilots(world.runtime(), other.name)

    now = overview.explain(world.runtime(), ce.name)
    assert [(one.vo, one.granted) for one in now] == [(DEFAULT_VO, 0), (other.name, 0)]
    then = overview.explain(world.runtime(), ce.name, vo=DEFAULT_VO, at=NOW + timedelta(seconds=30))
    assert [(one.granted, one.trace["ce"]["free"]) for one in then] == [(3, 3)]
    assert overview.explain(world.runtime(), ce.name, at=NOW - MINUTE) == []
    with refused(UnknownCE, "nowhere"):
        overview.explain(world.runtime(), "nowhere")


def test_a_life_is_whole_from_the_decision_to_the_report(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(6), check_latest=60)
    begin_to_learn(world)
    for _ in range(4):
        submit_pilots.submit_pilots(world.runtime(), DEFAULT_VO)
        execute.execute(catalogue.get("dispatch"), ce.name, world.runtime())
        for _ in range(14):
            world.wait(60)
            world.check(ce)
        world.reconcile(ce)
    learn.learn(world.runtime())

    assert world.statuses() == {"done": 24}
    assert len(world.jobs(ce)) == len(set(world.jobs(ce))) == 24
    assert rate(world, ce) == pytest.approx(1.0)
    assert report.report(world.runtime()).counts == {"done": 24, "free slots": 6}


def test_a_pilot_that_comes_back_counts_as_what_it_was_in_the_end(world: World) -> None:
    ce = world.ce(a_ce().with_success_rate(0.5))
    begin_to_learn(world)
    [pilot] = world.make(a_pilot().on(ce).lost())
    learn.learn(world.runtime())
    rate_when_lost = rate(world, ce)
    world.wait(1)
    world.change(lambda tx: mover.move(tx, [Move(pilot_id=pilot.id, to=Status.DONE)], world.clock))
    learn.learn(world.runtime())
    assert rate_when_lost < rate(world, ce)
