"""Plans of the present state, of a supposed state, and of a stored day under another policy."""

from datetime import timedelta

import pytest

from tests.expectations import refused, statements
from tests.factories import a_ce, a_pilot, a_vo
from tests.services.world import World
from worker.domain.errors import ConfigurationError, Invalid, PilotageError, UnknownCE, UnknownVO
from worker.domain.vo import DEFAULT_VO
from worker.services.observe import plan, replay
from worker.services.observe.plan import Supposed
from worker.services.tasks.submit_pilots import submit_pilots


def totals(world: World, changes: Supposed = plan.NOTHING) -> dict[str, int]:
    plans = plan.plan(world.runtime(), supposed=changes)
    return {vo: sum(one.granted for one in decisions) for vo, decisions in plans.items()}


def test_a_plan_is_what_the_next_cycle_does_and_changes_nothing(world: World) -> None:
    world.ce(a_ce().with_capacity(30))
    world.ce(a_ce().with_capacity(20).with_success_rate(0.5))
    lhcb = world.vo(a_vo().named("lhcb").with_share(3))
    before = world.image()
    plan_totals = totals(world)
    assert world.image() == before
    after = {
        name: submit_pilots(world.runtime(), name).counts["reserved"]
        for name in sorted([DEFAULT_VO, lhcb.name])
    }
    assert plan_totals == after
    assert sum(after.values()) <= 50


def test_one_supposes_another_capacity_rate_or_demand(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(10))
    world.vo(a_vo().named("lhcb").demanding(0))
    world.make(a_pilot().on(ce).failed(), 5)
    assert totals(world) == {DEFAULT_VO: 10, "lhcb": 0}
    assert totals(world, Supposed(ces={ce.name: {"capacity": 200}}))[DEFAULT_VO] == 200
    assert totals(world, Supposed(ces={ce.name: {"enabled": False}}))[DEFAULT_VO] == 0
    assert totals(world, Supposed(ces={ce.name: {"success_rate": 0.0}}))[DEFAULT_VO] == 0
    assert totals(world, Supposed(ces={ce.name: {"waiting_limit": 4}}))[DEFAULT_VO] == 4
    changes = Supposed(vos={"lhcb": {"demand": 500, "share": 4.0}})
    assert totals(world, changes) == {DEFAULT_VO: 2, "lhcb": 8}
    assert totals(world, Supposed(vos={DEFAULT_VO: {"limit": 3}}))[DEFAULT_VO] == 3


@pytest.mark.parametrize(
    ("changes", "error", "why"),
    [
        (Supposed(ces={"lion": {"capacity": 1}}), UnknownCE, "did you mean 'lyon'"),
        (Supposed(vos={"lhcbb": {"demand": 1}}), UnknownVO, "known: default"),
        (Supposed(ces={"lyon": {"capasity": 1}}), Invalid, "did you mean 'capacity'"),
        (Supposed(ces={"lyon": {"capacity": -1}}), Invalid, "below 0"),
        (Supposed(ces={"lyon": {"capacity": 1.5}}), Invalid, "CE lyon: capacity: it must be"),
        (Supposed(ces={"lyon": {"capacity": None}}), Invalid, "a whole number"),
        (Supposed(ces={"lyon": {"success_rate": 2.0}}), Invalid, "above 1"),
        (Supposed(vos={DEFAULT_VO: {"demand": True}}), Invalid, "a whole number"),
    ],
)
def test_what_cannot_be_is_not_supposed(
    world: World, changes: Supposed, error: type[PilotageError], why: str
) -> None:
    world.ce(a_ce().named("lyon"))
    with refused(error, why):
        plan.plan(world.runtime(), supposed=changes)


def test_a_stored_day_is_decided_again_by_another_policy(world: World) -> None:
    world.ce(a_ce().named("good").with_capacity(40))
    bad = world.ce(a_ce().named("bad").with_capacity(40).with_success_rate(0.3))
    for _ in range(5):
        submit_pilots(world.runtime(budget=10), DEFAULT_VO)
        world.wait(60)
    same = replay.replay(world.runtime(), world.clock.date(), "three_chances")
    assert (same.ticks, same.skipped) == (5, 0)
    assert same.was == same.becomes
    other = replay.replay(world.runtime(), world.clock.date(), "fill_all")
    assert other.becomes[bad.name] > other.was[bad.name]
    assert other.good_becomes < other.good_was
    assert sum(other.becomes.values()) == sum(other.was.values()) == 50


def test_a_day_without_decisions_and_an_unknown_policy_are_told(world: World) -> None:
    world.ce()
    submit_pilots(world.runtime(), DEFAULT_VO)
    with refused(Invalid, "no decision of this day is stored"):
        replay.replay(world.runtime(), world.clock.date() - timedelta(days=1), "fill_all")
    with refused(ConfigurationError, "did you mean 'fill_all'"):
        replay.replay(world.runtime(), world.clock.date(), "fil_all")


def test_the_statements_of_an_allocation_do_not_grow_with_the_ces(world: World) -> None:
    counts = []
    for number in (1, 60):
        for _ in range(number):
            world.ce()
        with statements(world.database.engine) as sql:
            submit_pilots(world.runtime(), DEFAULT_VO)
        counts.append(len(sql))
    assert counts[0] == counts[1]
    assert counts[0] < 25
