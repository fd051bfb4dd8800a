"""Any policy can repeat decisions from their traces, and explain them step by step."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from tests.expectations import refused
from tests.factories import MINUTE, NOW
from tests.policy.given import BUDGETS, CES, VOS
from worker.domain.decision import Decision
from worker.domain.errors import Invalid
from worker.policy.explaining import steps
from worker.policy.facts import CEFacts, Chances, Outcomes, Pause, Rival, VOFacts
from worker.policy.traces import Facts, facts_from
from worker.services import policies


def through_the_database(decisions: list[Decision]) -> list[Decision]:
    """Return decisions as a database returns them, in another order."""
    return [replace(one, trace=json.loads(json.dumps(one.trace))) for one in reversed(decisions)]


@pytest.mark.parametrize("name", ["fill_all", "proportional", "three_chances"])
@given(ces=CES, vo=VOS, budget=BUDGETS)
def test_the_facts_come_back_from_the_traces(
    name: str, ces: list[CEFacts], vo: VOFacts, budget: int
) -> None:
    if not ces:
        return
    decisions = policies.find(name)(now=NOW, vo=vo, budget=budget, ces=ces)
    sorted_ces = tuple(sorted(ces, key=lambda ce: ce.name))

    assert facts_from(through_the_database(decisions)) == Facts(
        now=NOW, vo=vo, budget=budget, ces=sorted_ces
    )
    for one in decisions:
        assert steps(one)[-1] == ("result", f"{one.granted}: {one.reason}")


def test_decisions_that_are_not_one_whole_tick_are_refused() -> None:
    policy = policies.find()
    ces = [CEFacts(name="a", free=1), CEFacts(name="b", free=1)]
    decisions = policy(now=NOW, vo=VOFacts(name="vo"), budget=9, ces=ces)
    other = policy(now=NOW + MINUTE, vo=VOFacts(name="vo"), budget=9, ces=ces)
    for wrong in ([], decisions[1:], [*decisions, *other]):
        with refused(Invalid, "decisions"):
            facts_from(wrong)


def test_a_trace_holds_what_differs_from_the_default_and_no_more() -> None:
    [decision] = policies.find()(
        now=NOW, vo=VOFacts(name="vo", demand=3), budget=9, ces=[CEFacts(name="a", free=1)]
    )
    assert decision.trace["vo"] == {"demand": 3}
    assert decision.trace["ce"] == {"free": 1}
    assert len(json.dumps(decision.trace)) < 250


def test_settings_outcomes_and_the_time_of_the_demand_come_back() -> None:
    ce = CEFacts(
        name="a",
        free=3,
        capacity=10,
        waiting_limit=5,
        outcomes=Outcomes(accept=(37, 2), start=(0, 0), finish=(12, 1)),
    )
    vo = VOFacts(
        name="vo",
        demand=9,
        limit=50,
        has_budget=True,
        asked_at=NOW - MINUTE,
        answered_at=NOW - MINUTE / 2,
    )
    [decision] = policies.find()(now=NOW, vo=vo, budget=9, ces=[ce])
    copy = replace(decision, trace=json.loads(json.dumps(decision.trace)))
    assert facts_from([copy]) == Facts(now=NOW, vo=vo, budget=9, ces=(ce,))


def test_the_steps_tell_what_was_known_and_what_followed() -> None:
    ce = CEFacts(
        name="a",
        free=58,
        chances=Chances(accept=1.0, start=0.9, finish=0.8),
        occupying=40,
        waiting=7,
        vo_occupying=20,
        vo_waiting=5,
        drained=60,
        oldest_waiting_since=NOW - 25 * MINUTE,
    )
    vo = VOFacts(
        name="vo", demand=90, room=30, note="told an hour ago", rivals=(Rival(name="other"),)
    )
    [decision] = policies.find()(now=NOW, vo=vo, budget=16, ces=[ce])
    by_step: dict[str, Any] = dict(steps(decision))

    assert by_step == {
        "demand": "90; told an hour ago",
        "waiting here": "5 of this VO, 7 of all VOs",
        "free": "58 slots; 40 occupied, 20 by this VO",
        "chances": "accept 1.00 x start 0.90 x finish 0.80 = 0.72",
        "pause": "none",
        "value": "a pilot of one hour is worth 0.63 h",
        "queue": "60 pilots began in the last hour; no more than that may wait",
        "cap: budget": "16",
        "cap: demand": "86",
        "cap: room": "30",
        "cap: share": "29",
        "need": "16 pilots (the budget of a tick)",
        "weight": "53",
        "result": f"16: {decision.reason}",
    }


def test_the_steps_of_a_poor_ce_say_that_better_ones_have_slots_for_all() -> None:
    good = CEFacts(name="good", free=50)
    poor = CEFacts(name="poor", free=5, chances=Chances(accept=1.0, start=0.3, finish=1.0))
    vo = VOFacts(name="vo", demand=9)
    [_, decision] = policies.find()(now=NOW, vo=vo, budget=16, ces=[good, poor])

    assert dict(steps(decision))["better CEs"] == "1, with slots for the whole demand"
    assert decision.granted == 0


def test_the_steps_of_a_pause_tell_since_when_and_why() -> None:
    pause = Pause(reason="3 refused submissions in a row (limit 3)", since=NOW - 60 * MINUTE)
    ce = CEFacts(name="a", free=5, pause=pause, closed="held by hand: new nodes")
    [decision] = policies.find()(now=NOW, vo=VOFacts(name="vo"), budget=16, ces=[ce])
    by_step = dict(steps(decision))

    assert by_step["closed because"] == "held by hand: new nodes"
    assert by_step["pause"] == "since 2026-03-01 11:00Z: 3 refused submissions in a row (limit 3)"
    assert by_step["probes"] == "one every 10 min, and no other pilots"
    assert by_step["chances"] == "nothing learnt; configured success rate 1.00"


def test_the_steps_of_a_ce_that_is_held_do_not_say_that_it_has_no_pause() -> None:
    ce = CEFacts(name="a", free=5, closed="held by hand: new nodes")
    [decision] = policies.find()(now=NOW, vo=VOFacts(name="vo"), budget=16, ces=[ce])
    lines = dict(steps(decision))

    assert lines["closed because"] == "held by hand: new nodes"
    assert "pause" not in lines


def test_a_trace_of_an_older_kind_is_told_as_it_is() -> None:
    old = Decision(vo="vo", ce="a", at=NOW, granted=1, reason="so", trace={"free": 3, "no": None})
    assert steps(old) == [("free", "3")]
