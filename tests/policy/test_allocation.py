"""The number of pilots for each CE, and its reason."""

import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.factories import MINUTE, NOW
from tests.policy.given import BUDGETS, CES, VOS
from worker.domain.decision import Decision
from worker.policy.allocation import probe_interval, three_chances, value_of
from worker.policy.facts import CEFacts, Chances, Pause, Rival, VOFacts
from worker.policy.parameters import Parameters

VO = VOFacts(name="lhcb")


def ce(name: str, free: int, rate: float = 1.0, **facts: Any) -> CEFacts:
    """Make the facts of a CE whose pilots start at this rate, and never fail later."""
    chances = Chances(accept=1.0, start=rate, finish=1.0)
    return CEFacts(name=name, free=free, chances=chances, **facts)


def decide(
    *ces: CEFacts, vo: VOFacts = VO, budget: int = 1000, **parameters: Any
) -> list[Decision]:
    values = Parameters(**parameters)
    return three_chances(now=NOW, vo=vo, budget=budget, ces=ces, parameters=values)


def grants(decisions: list[Decision]) -> dict[str, int]:
    return {decision.ce: decision.granted for decision in decisions}


def pause_of(minutes: float) -> Pause:
    return Pause(reason="3 failed starts in a row (limit 3)", since=NOW - minutes * MINUTE)


SHARED_OUT = {
    "all_that_is_free": (99, [ce("a", 3), ce("b", 4, 0.5)], {"a": 3, "b": 4}),
    "all_to_the_good_one": (10, [ce("a", 50), ce("b", 50, 0.3)], {"a": 10, "b": 0}),
    "63_to_37": (100, [ce("a", 400, 0.95), ce("b", 400, 0.9)], {"a": 63, "b": 37}),
    "by_room": (10, [ce("a", 20), ce("b", 80)], {"a": 2, "b": 8}),
    "the_largest_remainder_first": (
        10,
        [ce("a", 7), ce("b", 6), ce("c", 7)],
        {"a": 4, "b": 3, "c": 3},
    ),
    "a_tie_by_name": (1, [ce("b", 5), ce("a", 5)], {"a": 1, "b": 0}),
    "what_one_cannot_take_to_others": (10, [ce("a", 2, 1.0), ce("b", 20, 0.9)], {"a": 2, "b": 8}),
    "nothing_where_nothing_succeeds": (
        10,
        [CEFacts(name="a", free=5, success_rate=0.0), ce("b", 5)],
        {"a": 0, "b": 5},
    ),
    "nothing_where_nothing_is_free": (10, [ce("a", 0), ce("b", 5)], {"a": 0, "b": 5}),
    "nothing_to_the_closed": (10, [ce("a", 50, closed="it drains"), ce("b", 5)], {"a": 0, "b": 5}),
    "nothing_of_nothing": (0, [ce("a", 5)], {"a": 0}),
    "to_nobody": (10, [], {}),
}


@pytest.mark.parametrize(("budget", "ces", "grants_by_ce"), SHARED_OUT.values(), ids=SHARED_OUT)
def test_pilots_are_shared_out(
    budget: int, ces: list[CEFacts], grants_by_ce: dict[str, int]
) -> None:
    assert grants(decide(*ces, budget=budget)) == grants_by_ce


NEEDS = {
    "its_demand": (replace(VO, demand=7), 0, 7),
    "its_demand_less_what_waits": (replace(VO, demand=7), 5, 2),
    "nothing_when_enough_wait": (replace(VO, demand=7), 9, 0),
    "its_room": (replace(VO, demand=50, room=3), 0, 3),
    "nothing_above_its_limit": (replace(VO, room=-4), 0, 0),
    "the_budget_of_a_tick": (VO, 0, 20),
    "nothing_when_it_is_closed": (replace(VO, closed="the VO is disabled"), 0, 0),
}


@pytest.mark.parametrize(("vo", "waiting", "number"), NEEDS.values(), ids=NEEDS)
def test_a_vo_gets_no_more_than(vo: VOFacts, waiting: int, number: int) -> None:
    decisions = decide(ce("a", 30, vo_waiting=waiting), ce("b", 30), vo=vo, budget=20)
    assert sum(grants(decisions).values()) == number


def test_what_waits_is_worth_its_chance_and_at_a_paused_ce_nothing() -> None:
    demanding = replace(VO, demand=20)
    doubtful = ce("a", 0, 0.5, vo_waiting=20)
    paused_ce = replace(doubtful, pause=pause_of(60))
    assert grants(decide(doubtful, ce("b", 50), vo=demanding))["b"] == 10
    assert grants(decide(paused_ce, ce("b", 50), vo=demanding))["b"] == 20


# -- pauses and probes


@pytest.mark.parametrize(("paused_for", "interval"), [(0, 4), (20, 5), (32, 8), (600, 10)])
def test_a_paused_ce_is_probed_ever_more_rarely(paused_for: int, interval: int) -> None:
    assert probe_interval(NOW, NOW - paused_for * MINUTE) == interval * MINUTE
    pause = pause_of(paused_for)
    for since_last, number in ((interval - 0.1, 0), (interval, 1)):
        last = NOW - since_last * MINUTE
        if last < pause.since:
            continue
        place = ce("a", 50, pause=pause, last_sent_at=last)
        assert grants(decide(place)) == {"a": number}


def test_the_first_probe_waits_as_long_as_others_however_long_ago_a_pilot_was_sent() -> None:
    assert grants(decide(ce("a", 9, pause=pause_of(1)))) == {"a": 0}
    assert grants(decide(ce("a", 9, pause=pause_of(4)))) == {"a": 1}


def test_a_ce_whose_pilots_cost_more_than_they_bring_gets_a_probe_each_half_hour() -> None:
    bad = CEFacts(name="a", free=9, chances=Chances(accept=1.0, start=1.0, finish=0.2))
    assert value_of(bad.chances or Chances(accept=1, start=1, finish=1)) < 0
    assert grants(decide(bad)) == {"a": 1}
    assert grants(decide(replace(bad, last_sent_at=NOW - 29 * MINUTE))) == {"a": 0}
    assert grants(decide(replace(bad, last_sent_at=NOW - 30 * MINUTE))) == {"a": 1}


def test_a_pilot_of_a_clock_that_was_set_back_delays_no_probe() -> None:
    later = NOW + 60 * MINUTE
    paused = ce("a", 9, pause=pause_of(9), last_sent_at=later)
    assert grants(decide(paused, ce("b", 9, 0.05, last_sent_at=later))) == {"a": 1, "b": 1}


def test_no_probe_is_sent_where_no_pilot_is_needed_or_fits() -> None:
    place = ce("a", 9, pause=pause_of(60))
    for vo in (replace(VO, demand=0), replace(VO, room=0), replace(VO, closed="it drains")):
        assert grants(decide(place, vo=vo)) == {"a": 0}
    assert grants(decide(replace(place, free=0))) == {"a": 0}


def test_the_value_of_a_pilot_is_what_it_brings_less_its_prices() -> None:
    sure = Chances(accept=1, start=1, finish=1)
    assert value_of(sure) == 1
    assert value_of(replace(sure, start=0)) == pytest.approx(-0.1)
    assert value_of(replace(sure, finish=0)) == pytest.approx(-0.43)
    assert value_of(replace(sure, accept=0)) == pytest.approx(-0.05)
    chances = Chances(accept=0.9, start=0.8, finish=0.7)
    assert value_of(chances) == pytest.approx(
        0.9 * (0.56 - 0.1 * 0.44 - 0.33 * 0.8 * 0.3) - 0.05 * 0.1
    )


def test_a_slow_queue_gets_no_deeper_than_it_drained_in_an_hour() -> None:
    slow = ce("a", 50, waiting=8, drained=12, oldest_waiting_since=NOW - 21 * MINUTE)
    assert grants(decide(slow)) == {"a": 4}
    assert grants(decide(replace(slow, waiting=20))) == {"a": 0}
    assert grants(decide(replace(slow, oldest_waiting_since=NOW - 19 * MINUTE))) == {"a": 50}


# -- several VOs


FINITE = replace(VO, demand=30)
FULL, POOR = ce("good", 0, vo_occupying=40), ce("poor", 50, 0.3)


def test_finite_work_waits_for_a_better_ce_if_all_of_it_fits_there() -> None:
    decisions = decide(FULL, POOR, vo=FINITE)
    assert grants(decisions) == {"good": 0, "poor": 0}
    assert decisions[1].reason.endswith("better CEs have slots for the whole demand")
    assert grants(decide(FULL, POOR, vo=replace(VO, demand=41)))["poor"] > 0
    assert grants(decide(FULL, POOR))["poor"] == 50
    assert grants(decide(FULL, ce("as good", 50, 0.9), vo=FINITE))["as good"] == 30
    assert grants(decide(FULL, POOR, vo=FINITE, better_part=0.0))["poor"] == 30


def test_of_two_vos_each_gets_half_and_the_spare_part_of_one_goes_to_the_other() -> None:
    greedy = replace(VO, rivals=(Rival(name="other"),))
    assert grants(decide(ce("a", 100), vo=greedy)) == {"a": 50}
    modest = replace(VO, rivals=(Rival(name="other", demand=10),))
    assert grants(decide(ce("a", 100), vo=modest)) == {"a": 90}
    idle = replace(VO, rivals=(Rival(name="other", demand=0),))
    assert grants(decide(ce("a", 100), vo=idle)) == {"a": 100}
    thrice = replace(VO, share=3, rivals=(Rival(name="other"),))
    assert grants(decide(ce("a", 100), vo=thrice)) == {"a": 75}


def test_who_has_its_part_waits_for_nobody_where_nobody_else_may_come() -> None:
    vo = replace(VO, rivals=(Rival(name="other", occupying=10),))
    common_ce = ce("a", 20, occupying=80, vo_occupying=70)
    own = ce("b", 20, vos=frozenset({"lhcb"}))
    assert grants(decide(common_ce, own, vo=vo)) == {"a": 0, "b": 20}


def test_whoever_comes_first_does_not_leave_the_poor_slots_to_the_others() -> None:
    vo = replace(VO, rivals=(Rival(name="other"),))
    assert grants(decide(ce("good", 50), ce("poor", 50, 0.7), vo=vo)) == {"good": 25, "poor": 25}


# -- reasons

REASONS = {
    "closed_vo": (ce("a", 5), replace(VO, closed="the VO is disabled"), "the VO is disabled"),
    "closed_ce": (ce("a", 5, closed="the CE is draining"), VO, "the CE is draining"),
    "full": (ce("a", 0), VO, "no free slot"),
    "hopeless": (CEFacts(name="a", free=5, success_rate=0.0), VO, "success rate 0"),
    "all": (
        ce("a", 5, 0.97),
        VO,
        "free 5; accept 1.00 x start 0.97 x finish 1.00 = 0.97; gets all free slots",
    ),
    "part": (
        ce("a", 5),
        replace(VO, demand=2),
        "free 5; gets 2 of 2 (demand is 2)",
    ),
    "satisfied": (
        ce("a", 5, vo_waiting=4),
        replace(VO, demand=4),
        "free 5; nothing needed: demand is 4; 4 wait, of which 4.0 are expected to end well",
    ),
    "paused": (
        ce("a", 5, pause=pause_of(60), last_sent_at=NOW - MINUTE),
        VO,
        "PAUSED: 3 failed starts in a row (limit 3); probe every 10 min",
    ),
    "probed": (
        ce("a", 5, pause=pause_of(60)),
        VO,
        "PAUSED: 3 failed starts in a row (limit 3); probe every 10 min: gets one now",
    ),
    "worthless": (
        ce("a", 5, 0.05, last_sent_at=NOW),
        VO,
        "accept 1.00 x start 0.05 x finish 1.00 = 0.05: worth -0.04 h; probe every 30 min",
    ),
    "slow": (
        ce("a", 5, waiting=7, drained=8, oldest_waiting_since=NOW - 60 * MINUTE),
        VO,
        ("free 5; slow queue, 8 pilots began in the last hour: gets 1"),
    ),
    "shared": (
        ce("a", 5),
        replace(VO, rivals=(Rival(name="other"),)),
        ("free 5; gets 3: the VO's share allows 3 more"),
    ),
}


@pytest.mark.parametrize(("place", "vo", "reason"), REASONS.values(), ids=REASONS)
def test_every_number_has_a_reason(place: CEFacts, vo: VOFacts, reason: str) -> None:
    [decision] = decide(place, vo=vo)
    assert decision.reason == reason


# -- what holds whatever the facts


@given(ces=CES, vo=VOS, budget=BUDGETS)
def test_what_is_given_is_free_and_allowed(ces: list[CEFacts], vo: VOFacts, budget: int) -> None:
    decisions = decide(*ces, vo=vo, budget=budget)
    given_to = grants(decisions)

    assert list(given_to) == sorted(one.name for one in ces)
    for one in ces:
        assert 0 <= given_to[one.name] <= one.free
        assert not (vo.closed or one.closed) or given_to[one.name] == 0
        assert one.pause is None or given_to[one.name] <= 1
    caps = [budget] + [max(0, cap) for cap in (vo.room, vo.demand) if cap is not None]
    assert sum(given_to.values()) <= min(caps)
    assert all(decision.reason for decision in decisions)


@given(ces=CES, vo=VOS, budget=BUDGETS, dice=st.randoms(use_true_random=False))
def test_the_order_of_the_facts_changes_nothing(
    ces: list[CEFacts], vo: VOFacts, budget: int, dice: Any
) -> None:
    first = decide(*ces, vo=vo, budget=budget)
    rivals = list(vo.rivals)
    dice.shuffle(ces)
    dice.shuffle(rivals)
    again = decide(*ces, vo=replace(vo, rivals=tuple(rivals)), budget=budget)
    assert [(one.granted, one.reason) for one in again] == [
        (one.granted, one.reason) for one in first
    ]


@given(ces=CES, vo=VOS, budget=BUDGETS)
def test_without_others_whatever_one_ce_cannot_take_goes_to_another(
    ces: list[CEFacts], vo: VOFacts, budget: int
) -> None:
    decisions = decide(*ces, vo=replace(vo, rivals=(), demand=None), budget=budget)
    usable = [d for d in decisions if "probe_every" not in d.trace and "value" in d.trace]
    usable_ces = [d for d in usable if "gets" in d.reason and "all free slots" not in d.reason]
    usable_ces = [d for d in usable_ces if "slow queue" not in d.reason]
    room = budget if vo.room is None else min(budget, max(0, vo.room))
    assert not usable_ces or sum(d.granted for d in decisions) == room


@given(ces=CES, vo=VOS, budget=st.integers(0, 300), more=st.integers(0, 100))
def test_a_larger_budget_or_demand_gives_no_less_in_all(
    ces: list[CEFacts], vo: VOFacts, budget: int, more: int
) -> None:
    lonely = replace(vo, rivals=())
    few = sum(grants(decide(*ces, vo=lonely, budget=budget)).values())
    many = sum(grants(decide(*ces, vo=lonely, budget=budget + more)).values())
    assert few <= many
    if vo.demand is not None:
        wants = replace(lonely, demand=vo.demand + more)
        assert few <= sum(grants(decide(*ces, vo=wants, budget=budget)).values())


@given(ces=CES, budget=BUDGETS, worse=st.floats(0.3, 1))
def test_of_two_alike_the_more_successful_gets_no_less(
    ces: list[CEFacts], budget: int, worse: float
) -> None:
    assume(len(ces) >= 1)
    good = ce("better", 50, 1.0)
    bad = ce("worse", 50, worse)
    given_to = grants(decide(good, bad, *ces, budget=budget))
    assert given_to["better"] >= given_to["worse"]


@given(
    ces=CES,
    budget=BUDGETS,
    rate=st.floats(0.3, 0.9),
    better=st.floats(0, 0.1),
    free=st.integers(0, 90),
)
def test_who_gets_better_or_larger_gets_no_less(
    ces: list[CEFacts], budget: int, rate: float, better: float, free: int
) -> None:
    before = grants(decide(ce("it", 30, rate), *ces, budget=budget))["it"]
    assert grants(decide(ce("it", 30, rate + better), *ces, budget=budget))["it"] >= before
    assert grants(decide(ce("it", 30 + free, rate), *ces, budget=budget))["it"] >= before


@given(ces=CES, vo=VOS)
def test_two_vos_of_one_share_get_all_between_them_and_alike(
    ces: list[CEFacts], vo: VOFacts
) -> None:
    """Two VOs that want everything decide one after the other, at CEs that are empty at first."""
    places = [ce(one.name, one.free) for one in ces]
    free = sum(one.free for one in places)
    first = grants(decide(*places, vo=VOFacts(name="a", rivals=(Rival(name="b"),)), budget=10**6))
    first_sum = sum(first.values())
    places_after = [
        replace(one, free=one.free - first[one.name], occupying=first[one.name]) for one in places
    ]
    rivals = (Rival(name="a", occupying=first_sum, waiting=first_sum),)
    second = grants(decide(*places_after, vo=VOFacts(name="b", rivals=rivals), budget=10**6))

    assert abs(first_sum - sum(second.values())) <= 1
    assert first_sum + sum(second.values()) >= free - 1


def test_deciding_for_500_ces_and_20_vos_is_quick() -> None:
    rivals = tuple(Rival(name=f"vo{n}", occupying=500, waiting=50) for n in range(19))
    vo = replace(VO, rivals=rivals, demand=5000)
    ces = [
        ce(f"ce{n:03}", n % 50, 0.9, occupying=200, waiting=20, vo_occupying=10, vo_waiting=2,
           last_sent_at=NOW, pause=pause_of(9) if n % 10 == 0 else None)
        for n in range(500)
    ]  # fmt: skip
    took = []
    for _ in range(5):
        begins = time.process_time()
        decide(*ces, vo=vo)
        took.append(time.process_time() - begins)
    assert min(took) < 0.1


def test_a_price_of_nothing_makes_every_ce_worth_it() -> None:
    dead = CEFacts(name="a", free=5, chances=Chances(accept=0, start=0, finish=0))
    decisions = decide(dead, budget=3, price_failed=0.0, price_late=0.0, price_refused=0.0)
    assert grants(decisions) == {"a": 3}


def test_time_matters_only_where_it_is_said() -> None:
    places = [ce("a", 9, last_sent_at=NOW), ce("b", 9, 0.8)]
    later = three_chances(now=NOW + timedelta(days=9), vo=VO, budget=9, ces=places)
    assert grants(later) == grants(decide(*places, budget=9))
