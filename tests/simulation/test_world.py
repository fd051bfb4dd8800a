"""The world does what its scenario says, and its events become known late."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.expectations import refused
from tests.simulation.worlds import a_scenario, a_trouble, ours
from worker.domain.decision import Decision
from worker.domain.errors import Invalid
from worker.domain.pilot import Cause
from worker.policy.contract import Policy
from worker.policy.outcomes import EventKind
from worker.policy.parameters import DEFAULTS
from worker.simulation.books import Books, moment
from worker.simulation.drive import drive
from worker.simulation.oracle import oracle
from worker.simulation.scenario import CEModel, Drift, Owner, TroubleKind
from worker.simulation.score import score
from worker.simulation.world import HOUR, Truth, World

SURVIVAL = timedelta(minutes=5)


def test_the_same_seed_gives_the_same_run_and_another_seed_another() -> None:
    scenario = a_scenario(hours=6, sites=(CEModel(name="ce", start=0.8),))
    assert score(ours(scenario)) == score(ours(scenario))
    assert score(ours(scenario)) != score(ours(scenario, seed=2))


def test_a_ce_that_lies_runs_no_more_pilots_than_it_has_slots() -> None:
    result = ours(a_scenario(sites=(CEModel(name="liar", capacity=30, slots=4),)))
    assert max(sample.running + sample.doomed for sample in result.samples) == 4
    assert sum(1 for pilot in result.world.pilots if pilot.ended is None) <= 30


def test_a_policy_that_grants_more_than_is_free_is_found_out() -> None:
    def greedy(**facts: object) -> list[Decision]:
        return [Decision(vo="default", ce="ce", at=moment(0), granted=11, reason="", trace={})]

    def make(world: World) -> Policy:
        return greedy

    with refused(Invalid, "11", "10"):
        drive(a_scenario(), make)


def test_what_happens_is_known_when_it_is_looked_at() -> None:
    world = World(a_scenario(), 1)
    books = Books(world, DEFAULTS)
    book = books.ces["ce"]
    book.sent("default", world.submit("ce", "default", 3), 0)
    world.run(HOUR / 2)
    assert (book.waiting["default"], book.occupying["default"]) == (3, 3)
    assert book.queue().oldest_waiting_since == moment(0)
    book.look(world.now, SURVIVAL, books.works)
    assert (book.waiting["default"], book.occupying["default"]) == (0, 3)
    assert Counter(event.kind for _, event in book.events) == {
        EventKind.ACCEPTED: 3,
        EventKind.STARTED: 3,
    }
    world.run(3 * HOUR)
    book.look(world.now, SURVIVAL, books.works)
    assert book.occupying["default"] == 0
    assert Counter(event.kind for _, event in book.events)[EventKind.FINISHED] == 3


def test_of_a_ce_that_is_silent_nothing_is_known_and_nothing_is_sent_there() -> None:
    scenario = a_scenario(troubles=(a_trouble(TroubleKind.OUTAGE, silent=True),))
    decisions: list[Decision] = []
    ours(scenario, on_decisions=decisions.extend)
    during = [one for one in decisions if moment(1.05 * HOUR) < one.at < moment(2 * HOUR)]
    assert {(one.granted, one.reason) for one in during} == {(0, "its calls fail")}


def test_a_black_hole_kills_what_begins_and_leaves_what_runs() -> None:
    scenario = a_scenario(hours=2.2, troubles=(a_trouble(TroubleKind.BLACK_HOLE, 0.5),))
    pilots = [one for one in ours(scenario).world.pilots if one.began is not None]
    before = [one for one in pilots if (one.began or 0) < 0.5 * HOUR]
    during = [one for one in pilots if 0.5 * HOUR <= (one.began or 0) < 2 * HOUR]
    assert during
    assert all(one.cause is None for one in before)
    assert all(50 < (one.ended or 0) - (one.began or 0) < 70 for one in during)


def test_an_outage_refuses_and_kills_and_a_stuck_ce_begins_nothing() -> None:
    away = ours(a_scenario(troubles=(a_trouble(TroubleKind.OUTAGE),))).world
    stopped_site = ours(a_scenario(troubles=(a_trouble(TroubleKind.STUCK),))).world
    for world in (away, stopped_site):
        assert not [one for one in world.pilots if HOUR <= (one.began or 0) < 2 * HOUR]
        assert [one for one in world.pilots if (one.began or 0) >= 2 * HOUR]
    assert Counter(one.cause for one in away.pilots)[Cause.NODE] == 10
    assert away.refused["default"] > 3
    assert stopped_site.refused["default"] == 0


def test_work_is_done_once_and_a_pilot_without_work_ends_soon() -> None:
    scenario = a_scenario(owners=(Owner(name="default", jobs=7),), hours=4)
    world = ours(scenario).world
    assert world.work["default"].jobs == 0
    assert sum(1 for one in world.pilots if one.cause is None and not one.empty) == 7
    idle = World(scenario, 1)
    idle.work["default"].jobs = 0
    idle.submit("ce", "default", 2)
    idle.run(HOUR)
    assert [(one.empty, (one.ended or 0) - (one.began or 0)) for one in idle.pilots] == [
        (True, 120),
        (True, 120),
    ]


def test_the_job_of_a_pilot_that_failed_is_done_by_another() -> None:
    site = CEModel(name="ce", capacity=10, start=0.5, finish=0.8, configured=0.5)
    world = ours(a_scenario(sites=(site,), owners=(Owner(name="default", jobs=9),), hours=9)).world
    assert sum(1 for one in world.pilots if one.cause is None and not one.empty) == 9


def test_a_rate_drifts_between_its_bounds() -> None:
    drift = Drift(ce="ce", of="start", low=0.2, high=0.8, period=4)
    truth = Truth("ce", CEModel(name="ce"), a_scenario(drifts=(drift,)))
    rates = [truth.rate("start", hours * HOUR) for hours in (0, 1, 2, 3, 4)]
    assert rates == pytest.approx([0.5, 0.8, 0.5, 0.2, 0.5])
    assert truth.rate("finish", 0) == 0.97


def test_bursts_come_when_they_are_told_to() -> None:
    owner = Owner(name="default", burst=5, burst_hours=2)
    world = World(a_scenario(owners=(owner,), hours=8), 1)
    numbers = []
    for hours in (0.9, 1.1, 2.9, 3.1):
        world.run(hours * HOUR)
        numbers.append(world.work["default"].jobs)
    assert numbers == [0, 5, 5, 10]


def test_the_oracle_sends_nothing_into_trouble() -> None:
    decisions: list[Decision] = []
    scenario = a_scenario(troubles=(a_trouble(TroubleKind.BLACK_HOLE),))
    drive(scenario, oracle, on_decisions=decisions.extend)
    during = [one for one in decisions if moment(HOUR) <= one.at < moment(2 * HOUR)]
    assert sum(one.granted for one in during) == 0
    assert sum(one.granted for one in decisions if one.at >= moment(2 * HOUR)) > 0


def test_a_vo_gets_nothing_where_it_may_not_go() -> None:
    sites = (CEModel(name="own", vos=("a",)), CEModel(name="all"))
    scenario = a_scenario(sites=sites, owners=(Owner(name="a"), Owner(name="b")))
    pilots = ours(scenario).world.pilots
    assert {(one.vo, one.ce.name) for one in pilots} >= {("a", "own"), ("b", "all")}
    assert ("b", "own") not in {(one.vo, one.ce.name) for one in pilots}


def test_what_a_run_was_worth_is_added_up() -> None:
    result = ours(a_scenario())
    before = score(result)
    pilot = next(one for one in result.world.pilots if one.ended is None and one.began is not None)
    pilot.cause = Cause.FAILED_LATE
    after = score(result)
    hours = (result.world.now - (pilot.began or 0)) / HOUR

    assert before.net == before.useful
    assert after.useful == pytest.approx(before.useful - hours)
    assert after.wasted == pytest.approx(hours)
    assert after.net == pytest.approx(after.useful - 0.5 * hours)
    assert replace(after, net=0).waste == pytest.approx(hours / before.useful)
