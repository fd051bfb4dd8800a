"""Every kind of reason has its sentence, and marks the row and the condition that decided."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given

from tests.factories import MINUTE, NOW
from tests.policy.given import BUDGETS, CES, VOS
from worker.domain.closing import ClosedBy
from worker.domain.decision import Decision
from worker.policy.allocation import three_chances
from worker.policy.baselines import fill_all, proportional
from worker.policy.contract import Policy
from worker.policy.facts import CEFacts, Chances, Pause, Rival, VOFacts
from worker.policy.parameters import Parameters
from worker.services.observe.cycles import DecisionFacts, facts_behind
from worker.web.console.explain import conditions, ledger, remedies, sentences
from worker.web.console.explain import hour as hours
from worker.web.console.explain.labels import word_of
from worker.web.console.explain.ledger_rows import LedgerRow
from worker.web.console.explain.place_settings import PlaceSettings

VO = VOFacts(name="lhcb")
NOW_SET = PlaceSettings(capacity=1000, waiting_limit=None)


def ce(free: int, rate: float = 1.0, name: str = "bari", **facts: Any) -> CEFacts:
    chances = Chances(accept=1.0, start=rate, finish=1.0)
    return CEFacts(name=name, free=free, chances=chances, **facts)


def pause_of(minutes: float) -> Pause:
    return Pause(reason="11 failed starts in a row (limit 3)", since=NOW - minutes * MINUTE)


def decide(
    *ces: CEFacts, vo: VOFacts = VO, budget: int = 1000, policy: Policy = three_chances
) -> list[DecisionFacts]:
    """Decide, and read the decisions as they are stored."""
    decisions = policy(now=NOW, vo=vo, budget=budget, ces=ces, parameters=Parameters())
    return facts_behind_all(decisions)


def facts_behind_all(decisions: Sequence[Decision]) -> list[DecisionFacts]:
    copies = [replace(one, trace=json.loads(json.dumps(one.trace))) for one in decisions]
    return [one for decision in copies if (one := facts_behind(decision)) is not None]


def facts_of(*ces: CEFacts, **others: Any) -> tuple[DecisionFacts, list[DecisionFacts]]:
    """Return the facts of the first CE, and those of all."""
    tick = decide(*ces, **others)
    return next(one for one in tick if one.ce.name == ces[0].name), tick


def marked_row(one: DecisionFacts, tick: Sequence[DecisionFacts]) -> LedgerRow:
    groups = ledger.ledger(one, tick, NOW_SET)
    [row] = [row for group in groups for row in group.rows if row.is_marked]
    return row


def failed_condition(one: DecisionFacts) -> str:
    [condition] = [each for each in conditions.conditions(one) if each.is_marked]
    return condition.text


@pytest.mark.parametrize("by", ClosedBy)
def test_each_closing_has_a_condition_and_a_remedy(by: ClosedBy) -> None:
    one, _ = facts_of(ce(5, closed="a sentence", closed_by=by))
    assert failed_condition(one) in conditions._OPEN.values()
    assert remedies.changes(one, NOW_SET)


def test_a_closing_of_before_its_kind_was_kept_is_explained_by_its_sentence() -> None:
    one, tick = facts_of(ce(5, closed="held by hand: new disks"))
    assert sentences.because(one) == "held by hand: new disks"
    assert marked_row(one, tick).key == "ce open"
    assert [each.why for each in conditions.conditions(one) if each.is_marked] == [
        "held by hand: new disks"
    ]
    assert remedies.changes(one, NOW_SET) == []
    assert word_of(one) == "closed"


GOOD = ce(50, name="geneva")
SLOW: dict[str, Any] = {"oldest_waiting_since": NOW - 60 * MINUTE}

CASES: dict[str, tuple[tuple[CEFacts, ...], dict[str, Any], str, str, str | None]] = {
    "vo disabled": (
        (ce(5),),
        {"vo": replace(VO, closed="the VO is disabled", closed_by=ClosedBy.DISABLED)},
        "lhcb is disabled",
        "vo open",
        "lhcb is enabled and not draining",
    ),
    "vo draining": (
        (ce(5),),
        {"vo": replace(VO, closed="the VO is draining", closed_by=ClosedBy.DRAINING)},
        "lhcb is draining",
        "vo open",
        "lhcb is enabled and not draining",
    ),
    "ce disabled": (
        (ce(5, closed="the CE is disabled", closed_by=ClosedBy.DISABLED),),
        {},
        "it is disabled",
        "ce open",
        "it is enabled",
    ),
    "ce draining": (
        (ce(5, closed="the CE is draining", closed_by=ClosedBy.DRAINING),),
        {},
        "it is draining",
        "ce open",
        "it is not draining",
    ),
    "held": (
        (ce(5, closed="held by hand: new disks", closed_by=ClosedBy.HELD),),
        {},
        "it is held by hand: new disks",
        "ce open",
        "nobody holds it",
    ),
    "maintenance": (
        (ce(5, closed="in maintenance until 14:00Z: power", closed_by=ClosedBy.MAINTENANCE),),
        {},
        "it is in maintenance until 14:00Z: power",
        "ce open",
        "it is not in maintenance",
    ),
    "for others": (
        (ce(5, closed="the CE is for other VOs", closed_by=ClosedBy.OTHER_VOS),),
        {},
        "it is for other VOs",
        "ce open",
        "it is open to this VO",
    ),
    "credential": (
        (
            ce(
                5,
                closed="the proxy of lhcb for arc expired at 11:00Z",
                closed_by=ClosedBy.CREDENTIAL,
            ),
        ),
        {},
        "the proxy of lhcb for arc expired at 11:00Z",
        "ce open",
        "the credential for it is valid",
    ),
    "no answer": (
        (
            ce(
                5,
                closed="no answer since 11:50:00Z (timed out), asked again at 12:01:00Z",
                closed_by=ClosedBy.NO_ANSWER,
            ),
        ),
        {},
        "no answer since 11:50:00Z (timed out), asked again at 12:01:00Z",
        "ce open",
        "it answers",
    ),
    "calls refused": (
        (
            ce(
                5,
                closed="calls refused (quota), asked again at 12:01:00Z",
                closed_by=ClosedBy.REFUSES,
            ),
        ),
        {},
        "calls refused (quota), asked again at 12:01:00Z",
        "ce open",
        "it accepts calls",
    ),
    "refused for the VO": (
        (
            ce(
                5,
                closed="the CE refused pilots of VO lhcb (quota); it is tried again with 1 pilot",
                closed_by=ClosedBy.TRIAL,
            ),
        ),
        {},
        "it refused pilots of VO lhcb (quota); it is tried again with 1 pilot",
        "ce open",
        "it took the last pilots of this VO",
    ),
    "on trial": (
        (ce(1, trial=True),),
        {},
        "it is on trial, because it refused pilots of lhcb lately",
        "trial",
        None,
    ),
    "rate 0": (
        (CEFacts(name="bari", free=5, success_rate=0.0),),
        {},
        "its success rate is set to 0",
        "success rate",
        "its success rate is above 0",
    ),
    "full": (
        (ce(0, occupying=5),),
        {},
        "no slot is free there",
        "free",
        "a slot is free, and its queue has a place",
    ),
    "paused": (
        (ce(5, pause=pause_of(32), last_sent_at=NOW - 3 * MINUTE),),
        {},
        "it is paused; next probe 12:05",
        "probe",
        "it is not paused",
    ),
    "paused, nothing needed": (
        (ce(5, pause=pause_of(32)),),
        {"vo": replace(VO, demand=0)},
        "it is paused; a probe is due as soon as pilots are needed",
        "probe",
        "it is not paused",
    ),
    "probed": (
        (ce(5, pause=pause_of(60)),),
        {},
        "a probe, because it is paused",
        "probe",
        None,
    ),
    "worthless": (
        (ce(5, 0.05, last_sent_at=NOW),),
        {},
        "its pilots cost more than they bring; next probe 12:30",
        "probe",
        "its pilots are worth their price",
    ),
    "probe of the worthless": (
        (ce(5, 0.05),),
        {},
        "a probe, because its pilots cost more than they bring",
        "probe",
        None,
    ),
    "waits for better": (
        (ce(5, 0.2), GOOD),
        {"vo": replace(VO, demand=20)},
        "better CEs have slots for the whole demand of lhcb",
        "better",
        "better CEs have no slots for the whole demand",
    ),
    "all": (
        (ce(5),),
        {},
        "it gets all free slots",
        "free",
        None,
    ),
    "slow": (
        (ce(5, waiting=7, drained=8, **SLOW),),
        {},
        "its queue is slow: at most 8 pilots may wait, as many as began in the last hour",
        "room",
        None,
    ),
    "stands still": (
        (ce(5, waiting=7, drained=0, **SLOW),),
        {},
        "its queue is slow: at most 0 pilots may wait, as many as began in the last hour",
        "room",
        "its queue moves",
    ),
    "demand 0": (
        (ce(5),),
        {"vo": replace(VO, demand=0)},
        "the demand of lhcb is 0",
        "demand",
        "lhcb needs pilots",
    ),
    "satisfied": (
        (ce(5, vo_waiting=4, waiting=4),),
        {"vo": replace(VO, demand=4)},
        "the waiting pilots are enough for the demand of 4",
        "demand",
        "lhcb needs pilots",
    ),
    "at its limit": (
        (ce(5),),
        {"vo": replace(VO, room=-2)},
        "lhcb is at its limit",
        "room of the VO",
        "lhcb needs pilots",
    ),
    "no budget": (
        (ce(5),),
        {"budget": 0},
        "the budget of a tick is 0",
        "budget",
        "lhcb needs pilots",
    ),
    "share": (
        (ce(5),),
        {"vo": replace(VO, rivals=(Rival(name="atlas"),))},
        "all that the share of lhcb allows",
        "share",
        None,
    ),
    "share used up": (
        (ce(5, occupying=5, vo_occupying=5),),
        {"vo": replace(VO, rivals=(Rival(name="atlas"),))},
        "the share of lhcb allows no more",
        "share",
        "the share of lhcb allows more",
    ),
    "all that is needed": (
        (ce(5),),
        {"vo": replace(VO, demand=2)},
        "all that lhcb needs",
        "demand",
        None,
    ),
    "all that the limit allows": (
        (ce(5),),
        {"vo": replace(VO, room=2)},
        "all that the limit of lhcb allows",
        "room of the VO",
        None,
    ),
    "part": (
        (ce(400, 0.9), ce(400, 0.95, name="geneva")),
        {"budget": 100},
        "its part of the 100 that lhcb may get in this tick",
        "part",
        None,
    ),
    "no part": (
        (ce(5, 0.3), GOOD),
        {"budget": 10},
        "all 10 that lhcb may get went to CEs with a better chance or more room",
        "part",
        "its part is at least one pilot",
    ),
    "another policy": (
        (ce(5),),
        {"policy": proportional, "vo": replace(VO, demand=0)},
        "nothing needed",
        "policy",
        "the policy gives it pilots",
    ),
    "another policy, full": (
        (ce(0, pause=pause_of(60)),),
        {"policy": fill_all},
        "no slot is free there",
        "free",
        "a slot is free, and its queue has a place",
    ),
}


@pytest.mark.parametrize(
    ("ces", "others", "sentence", "row", "condition"), CASES.values(), ids=CASES
)
def test_each_reason_has_its_sentence_and_marks_what_decided(
    ces: tuple[CEFacts, ...], others: dict[str, Any], sentence: str, row: str, condition: str | None
) -> None:
    one, tick = facts_of(*ces, **others)
    assert sentences.because(one) == sentence
    assert marked_row(one, tick).key == row
    if condition is None:
        assert one.decision.granted > 0
    else:
        assert failed_condition(one) == condition


def test_the_headline_is_the_answer() -> None:
    one, _ = facts_of(ce(5))
    answer = "bari got 5 pilots for lhcb at 12:00: it gets all free slots."
    assert sentences.headline(one, NOW, NOW_SET) == answer
    none, _ = facts_of(ce(0))
    later = NOW + timedelta(days=2)
    assert sentences.got(none.decision, later) == "bari got no pilots for lhcb at 01 Mar 12:00"


def test_who_comes_too_late_is_told_so() -> None:
    one, tick = facts_of(ce(5))
    reason = f"{one.decision.reason}; only 2 of 5 were still free"
    late = replace(one, decision=replace(one.decision, granted=2, reason=reason))
    assert sentences.because(late) == "only 2 of 5 slots were still free"
    assert marked_row(late, tick).key == "still free"
    none = replace(late, decision=replace(late.decision, granted=0))
    assert failed_condition(none) == "the slots are still free when they are reserved"


CHANGES: dict[str, tuple[tuple[CEFacts, ...], dict[str, Any], str]] = {
    "full": ((ce(0),), {}, "Raise the capacity, which is 1,000, or wait for pilots to end."),
    "demand": ((ce(5),), {"vo": replace(VO, demand=0)}, "Set the demand of lhcb: it is 0."),
    "paused": (
        (ce(5, pause=pause_of(32), last_sent_at=NOW - 3 * MINUTE),),
        {},
        "Wait for the probe at 12:05: the pause ends when it does well.",
    ),
    "held": (
        (ce(5, closed="held by hand: new disks", closed_by=ClosedBy.HELD),),
        {},
        "Resume it: a person holds it, and no probe is sent.",
    ),
}


@pytest.mark.parametrize(("ces", "others", "text"), CHANGES.values(), ids=CHANGES)
def test_what_would_change_it_is_said(
    ces: tuple[CEFacts, ...], others: dict[str, Any], text: str
) -> None:
    one, _ = facts_of(*ces, **others)
    assert remedies.changes(one, NOW_SET)[0].text == text


def test_a_waiting_limit_that_decides_is_named() -> None:
    one, _ = facts_of(ce(0, occupying=300, waiting=250))
    settings = PlaceSettings(capacity=1000, waiting_limit=250)
    assert "its waiting limit of 250 is reached" in sentences.headline(one, NOW, settings)
    [change] = remedies.changes(one, settings)
    assert change.text == "Raise the waiting limit: it is 250, and 250 pilots wait."
    assert change.suppose == (("waiting_limit", "500"),)


AGAIN = {
    "held": (
        ce(5, closed="held by hand: disks", closed_by=ClosedBy.HELD),
        "when somebody resumes it",
    ),
    "disabled": (
        ce(5, closed="the CE is disabled", closed_by=ClosedBy.DISABLED),
        "when somebody changes that",
    ),
    "paused": (ce(5, pause=pause_of(32), last_sent_at=NOW - 3 * MINUTE), "by a probe at 12:05"),
    "full": (ce(0), "at each tick of the VO"),
}


@pytest.mark.parametrize(("place", "text"), AGAIN.values(), ids=AGAIN)
def test_when_it_is_tried_again_is_said(place: CEFacts, text: str) -> None:
    one, _ = facts_of(place)
    assert remedies.again(one, NOW_SET) == text


def test_who_holds_it_for_a_time_only_is_not_asked() -> None:
    one, _ = facts_of(ce(5, closed="held by hand: disks", closed_by=ClosedBy.HELD))
    until = replace(NOW_SET, held_until=NOW + timedelta(hours=2))
    assert remedies.again(one, until) == "at 01 Mar 14:00"


@pytest.mark.parametrize("policy", [three_chances, proportional, fill_all])
@given(ces=CES, vo=VOS, budget=BUDGETS)
def test_whatever_the_facts_one_row_and_one_condition_are_marked(
    policy: Policy, ces: list[CEFacts], vo: VOFacts, budget: int
) -> None:
    decisions = policy(now=NOW, vo=vo, budget=budget, ces=ces, parameters=Parameters())
    tick = facts_behind_all(decisions)
    for one in tick:
        marked_row(one, tick)
        assert sentences.because(one)
        assert remedies.again(one, NOW_SET)
        remedies.changes(one, NOW_SET)
        if one.decision.granted == 0:
            failed_condition(one)


def test_equal_ticks_are_one_row_and_the_chosen_one_is_marked() -> None:
    [at_noon] = [one.decision for one in decide(ce(5))]
    [full] = [one.decision for one in decide(ce(0))]
    ticks = [
        replace(at_noon, at=NOW - 3 * MINUTE),
        replace(at_noon, at=NOW - 2 * MINUTE),
        replace(full, at=NOW - MINUTE),
        replace(full, at=NOW),
    ]
    chart = hours.hour(ticks, NOW - 60 * MINUTE, NOW, NOW - MINUTE)
    assert [(stretch.ticks, stretch.granted, stretch.is_chosen) for stretch in chart.runs] == [
        (2, 0, True),
        (2, 10, False),
    ]
    assert [bar.is_chosen for bar in chart.bars] == [False, False, True, False]
    assert [bar.height for bar in chart.bars] == [20.0, 20.0, 0.0, 0.0]
    assert (chart.before, chart.after, chart.most) == (NOW - 2 * MINUTE, NOW, 5)


def test_an_hour_without_ticks_is_drawn_empty() -> None:
    chart = hours.hour([], NOW - 60 * MINUTE, NOW, NOW)
    assert (chart.bars, chart.runs, chart.before, chart.after) == ([], [], None, None)
