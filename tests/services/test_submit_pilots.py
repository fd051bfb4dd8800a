"""submit_pilots: it holds slots where they fit best, stores every decision and nudges CEs."""

import threading
from typing import Any

import pytest

from tests.expectations import refused, statements
from tests.factories import NOW, a_ce, a_health, a_pilot, a_vo
from tests.patience import wait_for
from tests.services.world import World
from worker.db import decisions, locks, pilot_reads, vos
from worker.db.uow import Transaction
from worker.domain.decision import Decision
from worker.domain.errors import UnknownVO
from worker.domain.pilot import Status
from worker.domain.schedule import Outcome
from worker.domain.sending import Sending
from worker.domain.vo import DEFAULT_VO
from worker.policy.learning import Evaluation, evaluate, learn
from worker.policy.outcomes import Event, EventKind
from worker.policy.record import Record
from worker.services import facts
from worker.services.facts import Situation
from worker.services.operate import pauses
from worker.services.tasks import submit_pilots as allocate
from worker.services.tasks.submit_pilots import submit_pilots


def decision_on(world: World, ce: str) -> Decision:
    with world.database.uow() as tx:
        [decision] = decisions.last_of_each(tx, ce)
        return decision


def slots_held(world: World) -> dict[str, int]:
    with world.database.uow() as tx:
        return {
            ce: count
            for (ce, status), count in pilot_reads.count_occupying(tx).items()
            if status is Status.RESERVED
        }


def test_slots_are_held_by_weight_and_each_ce_is_nudged_once(world: World) -> None:
    world.ce(a_ce().named("good").with_capacity(20))
    world.ce(a_ce().named("poor").with_capacity(20).with_success_rate(0.85))
    result = submit_pilots(world.runtime(budget=10), DEFAULT_VO)

    assert result.outcome is Outcome.OK
    assert result.counts == {"reserved": 10, "CEs": 2}
    assert slots_held(world) == {"good": 8, "poor": 2}
    assert world.nudges == [("dispatch", "good"), ("dispatch", "poor")]


CLOSED = {
    "disabled": (a_ce().disabled(), "the CE is disabled"),
    "draining": (a_ce().draining(), "the CE is draining"),
    "full": (a_ce().with_capacity(0), "no free slot"),
    "hopeless": (a_ce().with_success_rate(0), "success rate 0"),
    "closed_queue": (a_ce().with_waiting_limit(0), "no free slot"),
}


@pytest.mark.parametrize(("builder", "reason"), CLOSED.values(), ids=CLOSED)
def test_a_ce_that_gets_nothing_is_told_why(world: World, builder: Any, reason: str) -> None:
    world.ce(builder.named("shut"))
    world.ce(a_ce().named("open").with_capacity(3))
    submit_pilots(world.runtime(), DEFAULT_VO)

    assert slots_held(world) == {"open": 3}
    assert (decision_on(world, "shut").granted, decision_on(world, "shut").reason) == (0, reason)


def test_a_ce_of_other_vos_and_a_paused_ce_get_nothing(world: World) -> None:
    other = world.vo()
    world.ce(a_ce().named("theirs").only_for(other))
    paused = world.ce(a_ce().named("paused"))
    pauses.pause(world.runtime(), paused.name, "new disks")
    submit_pilots(world.runtime(), DEFAULT_VO)

    assert slots_held(world) == {}
    assert world.nudges == []
    assert decision_on(world, "theirs").reason == "the CE is for other VOs"
    assert decision_on(world, "paused").reason == "held by hand: new disks"
    assert world.health(paused).sending is Sending.HELD


def test_a_vo_gets_no_more_than_its_limit_and_its_demand(world: World) -> None:
    world.ce(a_ce().with_capacity(50))
    small = world.vo(a_vo().limited_to(4))
    demanding = world.vo(a_vo().demanding(3))
    for _ in range(3):
        for name in (small.name, demanding.name):
            submit_pilots(world.runtime(), name)

    by_vo = [pilot.vo for pilot in world.pilots()]
    assert (by_vo.count(small.name), by_vo.count(demanding.name)) == (4, 3)


def test_a_disabled_vo_gets_nothing_and_is_told_so(world: World) -> None:
    ce = world.ce()
    vo = world.vo(a_vo().disabled())
    submit_pilots(world.runtime(), vo.name)

    assert slots_held(world) == {}
    assert decision_on(world, ce.name).reason == "the VO is disabled"


def test_what_was_learnt_stands_before_what_was_configured(world: World) -> None:
    good = world.ce(a_ce().named("good").with_capacity(100))
    bad = world.ce(a_ce().named("bad").with_capacity(100))
    for ce, kinds in (
        (good, [EventKind.FINISHED]),
        (bad, [EventKind.FINISHED, EventKind.FAILED_LATE]),
    ):
        events = [Event(NOW, kind) for kind in kinds] * 20
        knowledge = learn(None, events, now=NOW, configured=1.0).state
        world.change(a_health().of(ce).with_learned(knowledge).create)
    submit_pilots(world.runtime(budget=10), DEFAULT_VO)

    assert slots_held(world) == {"good": 10}


def test_what_a_ce_has_already_leaves_less_room(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(10).with_waiting_limit(4))
    world.make(a_pilot().on(ce).running(), 3)
    world.make(a_pilot().on(ce).submitted(), 3)
    submit_pilots(world.runtime(), DEFAULT_VO)

    assert slots_held(world) == {ce.name: 1}


def test_a_second_tick_finds_nothing_left_and_nudges_nobody(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(5))
    submit_pilots(world.runtime(), DEFAULT_VO)
    world.nudges.clear()
    again = submit_pilots(world.runtime(), DEFAULT_VO)

    assert again.counts == {"reserved": 0, "CEs": 0}
    assert world.nudges == []
    assert decision_on(world, ce.name).reason == "no free slot"


def test_an_unknown_vo_is_an_error_and_stores_nothing(world: World) -> None:
    world.ce()
    with refused(UnknownVO, "nobody"):
        submit_pilots(world.runtime(), "nobody")
    with world.database.uow() as tx:
        assert decisions.find(tx).items == []


def test_where_somebody_was_quicker_the_decision_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ce = world.ce(a_ce().with_capacity(5))
    read_facts = facts.read

    def and_then_somebody_takes_three(tx: Transaction, *args: Any) -> Situation:
        situation = read_facts(tx, *args)
        a_pilot().on(ce).create_many(tx, 3)
        return situation

    monkeypatch.setattr(facts, "read", and_then_somebody_takes_three)
    result = submit_pilots(world.runtime(), DEFAULT_VO)

    assert result.counts["reserved"] == 2
    assert decision_on(world, ce.name).granted == 2
    assert decision_on(world, ce.name).reason.endswith("only 2 of 5 were still free")


def test_of_two_executions_for_a_vo_one_makes_way(postgresql_world: World) -> None:
    world = postgresql_world
    world.ce(a_ce().with_capacity(5))
    other = world.vo()
    with world.database.uow() as tx:
        assert locks.try_lock(tx, f"submit_pilots:{DEFAULT_VO}")
        results: list[Any] = []

        def run() -> None:
            results.append(submit_pilots(world.runtime(budget=1), DEFAULT_VO))
            results.append(submit_pilots(world.runtime(budget=1), other.name))

        thread = threading.Thread(target=run)
        thread.start()
        wait_for(thread)
    busy, free = results

    assert (busy.outcome, busy.busy) == (Outcome.SKIPPED, True)
    assert DEFAULT_VO in busy.lines[0]
    assert (free.outcome, free.busy) == (Outcome.OK, False)


def test_the_number_of_statements_does_not_grow(world: World) -> None:
    counts = []
    for number in (1, 40):
        for _ in range(number):
            world.ce(a_ce().with_capacity(20))
        with statements(world.database.engine) as sql:
            result = submit_pilots(world.runtime(), DEFAULT_VO)
        assert result.counts["reserved"] == 20 * number
        counts.append(len(sql))
    assert counts[0] == counts[1]


def test_the_plan_says_what_a_run_then_does(world: World) -> None:
    world.ce(a_ce().named("a").with_capacity(7))
    world.ce(a_ce().named("b").with_capacity(3).with_success_rate(0.5))
    plan = allocate.plan(world.runtime(budget=8), DEFAULT_VO)
    result = submit_pilots(world.runtime(budget=8), DEFAULT_VO)

    assert plan.counts == {"would reserve": 8}
    assert plan.lines == result.lines
    assert result.counts["reserved"] == 8


def test_the_vo_with_a_lower_limit_than_it_has_gets_nothing_until_it_holds_again(
    world: World,
) -> None:
    ce = world.ce(a_ce().with_capacity(20))
    vo = world.vo(a_vo().limited_to(6))
    submit_pilots(world.runtime(), vo.name)
    world.change(lambda tx: vos.change(tx, vo.name, limit=2))
    submit_pilots(world.runtime(), vo.name)

    assert slots_held(world) == {ce.name: 6}


def test_a_tick_judges_each_ce_once_and_rebuilds_no_record(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_ces = [world.ce() for _ in range(7)]
    states: list[object] = []

    def count(state: object, **kwargs: Any) -> Evaluation:
        states.append(state)
        return evaluate(state, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(facts, "evaluate", count)
    monkeypatch.setattr(Record, "__init__", None)
    submit_pilots(world.runtime(), DEFAULT_VO)

    assert len(states) == len(all_ces)
