"""Who gets how many: the largest remainder, never more than is free, and a reason for each CE."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.factories import NOW
from worker.domain.decision import Decision
from worker.policy.allocation import CEFacts, VOFacts, allocate

VO = VOFacts(name="lhcb", demand=None, waiting=0, room=None)


def ce(name: str, free: int, rate: float = 1.0, closed: str | None = None) -> CEFacts:
    return CEFacts(name=name, free=free, success_rate=rate, closed=closed)


def decide(*ces: CEFacts, vo: VOFacts = VO, budget: int = 1000) -> list[Decision]:
    return allocate(now=NOW, vo=vo, budget=budget, ces=ces)


def shares(decisions: Sequence[Decision]) -> dict[str, int]:
    return {decision.ce: decision.granted for decision in decisions}


SHARED_OUT = {
    "by_free_slots": (10, [ce("a", 30), ce("b", 20)], {"a": 6, "b": 4}),
    "by_success_rate": (10, [ce("a", 20, 1.0), ce("b", 20, 0.25)], {"a": 8, "b": 2}),
    "the_largest_remainder_first": (
        10,
        [ce("a", 7), ce("b", 6), ce("c", 7)],
        {"a": 4, "b": 3, "c": 3},
    ),
    "a_tie_by_name": (1, [ce("b", 5), ce("a", 5)], {"a": 1, "b": 0}),
    "all_that_is_free": (99, [ce("a", 3), ce("b", 4, 0.5)], {"a": 3, "b": 4}),
    "what_one_cannot_take_to_others": (10, [ce("a", 2, 1.0), ce("b", 20, 0.1)], {"a": 2, "b": 8}),
    "nothing_where_nothing_succeeds": (10, [ce("a", 5, 0.0), ce("b", 5)], {"a": 0, "b": 5}),
    "nothing_where_nothing_is_free": (10, [ce("a", 0), ce("b", 5)], {"a": 0, "b": 5}),
    "nothing_to_the_closed": (10, [ce("a", 50, closed="it drains"), ce("b", 5)], {"a": 0, "b": 5}),
    "nothing_of_nothing": (0, [ce("a", 5)], {"a": 0}),
    "to_nobody": (10, [], {}),
}


@pytest.mark.parametrize(("budget", "ces", "expected"), SHARED_OUT.values(), ids=SHARED_OUT)
def test_pilots_are_shared_out(budget: int, ces: list[CEFacts], expected: dict[str, int]) -> None:
    assert shares(decide(*ces, budget=budget)) == expected


NEEDS = {
    "its_demand": (replace(VO, demand=7), 7),
    "its_demand_less_what_waits": (replace(VO, demand=7, waiting=5), 2),
    "nothing_when_enough_wait": (replace(VO, demand=7, waiting=9), 0),
    "its_room": (replace(VO, demand=50, room=3), 3),
    "nothing_above_its_limit": (replace(VO, room=-4), 0),
    "the_budget_of_a_tick": (VO, 20),
    "nothing_when_it_is_closed": (replace(VO, closed="the VO is disabled"), 0),
}


@pytest.mark.parametrize(("vo", "expected"), NEEDS.values(), ids=NEEDS)
def test_a_vo_gets_no_more_than(vo: VOFacts, expected: int) -> None:
    decided = decide(ce("a", 30), ce("b", 30), vo=vo, budget=20)
    assert sum(shares(decided).values()) == expected


REASONS = {
    "closed_vo": (ce("a", 5), replace(VO, closed="the VO is disabled"), "the VO is disabled"),
    "closed_ce": (ce("a", 5, closed="the CE is draining"), VO, "the CE is draining"),
    "full": (ce("a", 0), VO, "no free slot"),
    "hopeless": (ce("a", 5, 0.0), VO, "success rate 0"),
    "all": (ce("a", 5, 0.5), VO, "free 5, success rate 0.50: all free slots"),
    "part": (ce("a", 5), replace(VO, demand=2), "free 5, success rate 1.00: gets 2 of 2"),
    "satisfied": (
        ce("a", 5),
        replace(VO, demand=4, waiting=4),
        "nothing needed: demand 4, of which 4 wait already",
    ),
    "limited": (ce("a", 5), replace(VO, room=0), "nothing needed: the VO's limit leaves room"),
}


@pytest.mark.parametrize(("place", "vo", "reason"), REASONS.values(), ids=REASONS)
def test_every_number_has_a_reason(place: CEFacts, vo: VOFacts, reason: str) -> None:
    [decision] = decide(place, vo=vo)
    assert decision.reason.startswith(reason)


def test_the_trace_tells_every_step() -> None:
    [decision] = decide(ce("a", 8, 0.5), vo=replace(VO, demand=5, waiting=1, room=9), budget=6)
    assert decision.trace == {
        "demand": 5,
        "waiting": 1,
        "vo_room": 9,
        "budget": 6,
        "need": 4,
        "free": 8,
        "success_rate": 0.5,
        "weight": 4.0,
        "closed": None,
    }
    assert (decision.vo, decision.ce, decision.at) == ("lhcb", "a", NOW)


CES = st.lists(
    st.builds(
        CEFacts,
        name=st.text("abcdefgh", min_size=1, max_size=4),
        free=st.integers(-3, 200),
        success_rate=st.one_of(st.sampled_from([0.0, 1e-300, 1e-9, 0.5, 1.0]), st.floats(0, 1)),
        closed=st.sampled_from([None, None, None, "closed"]),
    ),
    max_size=12,
    unique_by=lambda facts: facts.name,
)
VOS = st.builds(
    VOFacts,
    name=st.just("vo"),
    demand=st.none() | st.integers(0, 500),
    waiting=st.integers(0, 500),
    room=st.none() | st.integers(-50, 500),
    closed=st.sampled_from([None, None, None, "closed"]),
)
BUDGETS = st.integers(0, 500)


def needed(vo: VOFacts, budget: int) -> int:
    if vo.closed:
        return 0
    wanted = budget if vo.demand is None else min(budget, max(0, vo.demand - vo.waiting))
    return wanted if vo.room is None else min(wanted, max(0, vo.room))


@given(ces=CES, vo=VOS, budget=BUDGETS)
def test_what_is_given_is_free_and_needed(ces: list[CEFacts], vo: VOFacts, budget: int) -> None:
    given_to = shares(decide(*ces, vo=vo, budget=budget))
    open_ = [one for one in ces if not one.closed and one.success_rate > 0]

    assert given_to.keys() == {one.name for one in ces}
    for one in ces:
        assert 0 <= given_to[one.name] <= max(0, one.free)
        assert one in open_ or given_to[one.name] == 0
    # Whatever one CE cannot take goes to another that can.
    places = sum(max(0, one.free) for one in open_ if one.free * one.success_rate > 0)
    assert sum(given_to.values()) == min(needed(vo, budget), places)


@given(ces=CES, vo=VOS, budget=BUDGETS, dice=st.randoms(use_true_random=False))
def test_the_order_of_the_ces_changes_nothing(
    ces: list[CEFacts], vo: VOFacts, budget: int, dice: object
) -> None:
    first = decide(*ces, vo=vo, budget=budget)
    dice.shuffle(ces)  # type: ignore[attr-defined]
    assert decide(*ces, vo=vo, budget=budget) == first
    assert [decision.ce for decision in first] == sorted(one.name for one in ces)
    assert all(decision.reason for decision in first)


@given(ces=CES, budget=BUDGETS)
def test_of_two_alike_the_more_successful_gets_no_less(ces: list[CEFacts], budget: int) -> None:
    assume(len(ces) >= 2)
    better = replace(ces[0], name="better", free=50, success_rate=1.0, closed=None)
    worse = replace(better, name="worse", success_rate=0.5)
    given_to = shares(decide(better, worse, *ces, budget=budget))
    assert given_to["better"] >= given_to["worse"]
