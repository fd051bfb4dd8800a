"""Policies are found by name, and a plug-in must keep the promises of every policy."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from importlib.metadata import EntryPoint
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.expectations import refused
from tests.factories import NOW
from tests.policy.given import BUDGETS, CES, VOS
from worker import plugins
from worker.domain.decision import Decision
from worker.domain.errors import ConfigurationError
from worker.policy.allocation import three_chances
from worker.policy.baselines import fill_all
from worker.policy.contract import Bounded
from worker.policy.facts import CEFacts, VOFacts
from worker.policy.parameters import DEFAULTS, Parameters
from worker.policy.traces import facts_from
from worker.services import policies


def reckless(
    *,
    now: datetime,
    vo: VOFacts,
    budget: int,
    ces: Sequence[CEFacts],
    parameters: Parameters = DEFAULTS,
) -> list[Decision]:
    """Grant seven times the need, to every second CE."""
    return [
        Decision(
            vo=vo.name, ce=ce.name, at=now, granted=ce.free * 7 + 7, reason="why not", trace={}
        )
        for ce in ces[::2]
    ]


def test_the_policies_are_found_and_the_default_is_three_chances() -> None:
    assert {"fill_all", "proportional", "three_chances"} <= set(plugins.names(policies.GROUP))
    assert policies.find() is three_chances
    assert policies.find("fill_all") is fill_all


def test_an_unknown_policy_is_an_error_that_names_the_nearest() -> None:
    with refused(ConfigurationError, "three_chance", "three_chances"):
        policies.find("three_chance")


@pytest.mark.parametrize(
    ("value", "message"), [("nowhere.at:all", "cannot be loaded"), ("sys:path", "not a function")]
)
def test_a_policy_that_cannot_be_used_is_an_error(
    monkeypatch: pytest.MonkeyPatch, value: str, message: str
) -> None:
    _install(monkeypatch, value)
    with refused(ConfigurationError, "policy mine", message):
        policies.find("mine")


@given(ces=CES, vo=VOS, budget=BUDGETS)
def test_a_policy_of_a_plug_in_is_held_to_the_facts(
    ces: list[CEFacts], vo: VOFacts, budget: int
) -> None:
    decisions = Bounded("reckless", reckless)(now=NOW, vo=vo, budget=budget, ces=ces)

    assert [one.ce for one in decisions] == sorted(ce.name for ce in ces)
    by_name = {ce.name: ce for ce in ces}
    for one in decisions:
        place = by_name[one.ce]
        assert 0 <= one.granted <= place.free
        assert not (vo.closed or place.closed) or one.granted == 0
    assert sum(one.granted for one in decisions) <= (
        budget if vo.room is None else max(0, min(budget, vo.room))
    )
    if ces:
        assert facts_from(decisions).vo == vo


GOOD: list[Any] = [three_chances, fill_all]


@given(ces=CES, vo=VOS, budget=BUDGETS, own=st.sampled_from(GOOD))
def test_one_that_keeps_its_promises_is_left_alone(
    ces: list[CEFacts], vo: VOFacts, budget: int, own: Any
) -> None:
    decisions = own(now=NOW, vo=vo, budget=budget, ces=ces)
    copies = Bounded("own", own)(now=NOW, vo=vo, budget=budget, ces=ces)
    assert copies == [replace(one, trace={**one.trace, "policy": "own"}) for one in decisions]


def test_what_is_cut_and_what_is_forgotten_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    _install(monkeypatch, "tests.services.test_policies:reckless")
    ces = [CEFacts(name="a", free=2), CEFacts(name="b", free=2)]
    decisions = policies.find("mine")(now=NOW, vo=VOFacts(name="vo"), budget=9, ces=ces)
    assert [(one.granted, one.reason) for one in decisions] == [
        (2, "why not; cut from 21 to 2, as many as fit"),
        (0, "the policy mine returned no decision for this CE"),
    ]


def _install(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    point = EntryPoint(name="mine", value=value, group=policies.GROUP)
    monkeypatch.setattr(plugins, "points", lambda group: [point])
