"""The figures that the policy must reach, on made-up worlds.

Each world is short and runs once here. PILOTAGE_TEST_LONG=1 runs all of them whole, three times.
"""

from dataclasses import replace
from typing import Any

import pytest

from tests.session import PLAN
from worker.policy.allocation import three_chances
from worker.policy.contract import Policy
from worker.policy.parameters import DEFAULTS
from worker.services.observe.simulate import PolicyComparison, compare, load, scenarios
from worker.simulation.drive import drive
from worker.simulation.score import score
from worker.simulation.world import World

pytestmark = pytest.mark.slow

SHORT = {
    "black_hole": 9.0,
    "slow_hole": 9.0,
    "outage": 10.0,
    "stuck": 9.0,
    "two_vos": 6.0,
    "scarce_work": 9.0,
    "reliable_and_flaky": 12.0,
    "toy": 24.0,
    "silent_hole": 14.0,
    "no_work": 14.0,
    "hole_and_no_work": 14.0,
}
"""Hours that are enough to show the trouble of the scenario."""

DRIFTING = {"drift": 0.92, "tides": 0.92}
NET = 0.94
HIGHER = {"silent_hole": 0.97, "no_work": 0.97, "hole_and_no_work": 0.97, "toy": 0.98}
FOLLOWED = {
    "black_hole": (15, 30),
    "slow_hole": (18, 30),
    "outage": (5, 30),
    "global_outage": (5, 30),
    "long_pilots": (5, 30),
    "refusals": (5, 30),
    "scarce_work": (15, 30),
    "stuck": (45, 30),
    "silent_hole": (15, 30),
    "hole_and_no_work": (15, 30),
}
"""Minutes within which a trouble is noticed, and its end."""


def check(comparison: PolicyComparison) -> None:
    name = comparison.scenario.name
    oracle, ours = comparison.outcomes
    assert ours.goodput >= 0.97
    assert ours.net >= {**DRIFTING, **HIGHER}.get(name, NET)
    assert ours.score.waste <= max(0.15, 1.3 * oracle.score.waste)
    assert ours.score.fairness is None or ours.score.fairness >= 0.98
    if name in FOLLOWED:
        delay, back = FOLLOWED[name]
        assert ours.score.noticed is not None
        assert ours.score.noticed <= delay
        assert ours.score.back is None or ours.score.back <= back


@pytest.fixture
def patient(request: pytest.FixtureRequest) -> bool:
    """Return whether to run everything, however long it takes."""
    return bool(request.config.stash[PLAN].long)


@pytest.mark.parametrize("name", [scenario.name for scenario in scenarios()])
def test_the_default_policy_is_near_the_oracle(name: str, patient: bool) -> None:
    if not patient and name not in SHORT:
        pytest.skip("every scenario is for PILOTAGE_TEST_LONG=1")
    for seed in (1, 2, 3) if patient else (1,):
        hours = None if patient else SHORT[name]
        check(compare(load(name), ["three_chances"], hours=hours, seed=seed))


def test_a_policy_that_looks_at_nothing_pays_for_it() -> None:
    comparison = compare(load("black_hole"), ["three_chances", "fill_all"], hours=8)
    _, ours, blind = comparison.outcomes
    assert blind.net < ours.net - 0.03
    assert blind.score.failed > 3 * ours.score.failed


BLIND = replace(DEFAULTS, short_part=0.0)
"""Parameters of a policy that looks at the failures of pilots only, not at their use."""


def test_a_vo_without_work_sends_a_tenth_and_blames_no_ce() -> None:
    scenario = load("no_work").model_copy(update={"hours": 12.0})
    normal, blind = (drive(scenario, _ours, parameters=one) for one in (DEFAULTS, BLIND))
    assert score(normal).empty <= score(blind).empty / 10
    assert not [change for _, change in normal.changes if "for nothing" in change.reason]


def test_a_ce_that_swallows_pilots_is_blamed_and_no_other() -> None:
    scenario = load("hole_and_no_work").model_copy(update={"hours": 12.0})
    result = drive(scenario, _ours)
    assert {ce for ce, change in result.changes if "for nothing" in change.reason} == {"ce00"}


def _ours(_: World) -> Policy:
    return three_chances


@pytest.mark.parametrize(
    "changes", [{"preference": 6.0}, {"preference": 16.0}, {"surprise": 1e-4}, {"prior": 8.0}]
)
def test_the_numbers_of_the_policy_are_flat(changes: dict[str, Any], patient: bool) -> None:
    if not patient:
        pytest.skip("what numbers change is for PILOTAGE_TEST_LONG=1")
    for name in ("black_hole", "drift", "scarce_work"):
        _, usual = compare(load(name), ["three_chances"]).outcomes
        parameters = replace(DEFAULTS, **changes)
        _, other = compare(load(name), ["three_chances"], parameters=parameters).outcomes
        assert other.net == pytest.approx(usual.net, abs=0.02)
