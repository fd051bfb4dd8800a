"""simulate: run a made-up world with several policies, and compare each with the oracle."""

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from worker.domain.errors import Invalid
from worker.domain.nearest import nearest
from worker.policy.contract import DEFAULT_POLICY
from worker.policy.parameters import DEFAULTS, Parameters
from worker.services.files import read_toml
from worker.services.policies import find
from worker.simulation.drive import MakePolicy, Run, Sample, drive
from worker.simulation.oracle import oracle
from worker.simulation.scenario import Scenario, parse
from worker.simulation.score import Score, score

ORACLE = "oracle"
"""It knows the truth; what it gets is what every other is measured by."""

COMPARED = (DEFAULT_POLICY, "proportional", "fill_all")
"""The policies that are compared when none is named."""

SUFFIX = ".toml"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one policy in one scenario."""

    policy: str
    score: Score
    goodput: float
    """Useful slot-hours, by the oracle's."""
    net: float
    """Useful slot-hours less the price of what went wrong, by the oracle's."""
    samples: list[Sample]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What became of several policies in one scenario; the oracle comes first."""

    scenario: Scenario
    seed: int
    outcomes: list[Outcome]


def scenarios() -> list[Scenario]:
    """List the scenarios that come with Pilotage."""
    folder = files("worker.simulation") / "scenarios"
    found = [one for one in folder.iterdir() if one.name.endswith(SUFFIX)]
    return [
        parse(one.name.removesuffix(SUFFIX), tomllib.loads(one.read_text(encoding="utf-8")))
        for one in sorted(found, key=lambda one: one.name)
    ]


def load(told: str) -> Scenario:
    """Find a scenario that comes with Pilotage by its name, or read one from its file."""
    if told.endswith(SUFFIX):
        return parse(Path(told).stem, read_toml(Path(told)))
    known = {scenario.name: scenario for scenario in scenarios()}
    if told not in known:
        raise Invalid(f"scenario {told}", f"{nearest(told, known)}; a file ends in {SUFFIX}")
    return known[told]


def compare(
    scenario: Scenario,
    policies: Sequence[str] = COMPARED,
    *,
    hours: float | None = None,
    seed: int | None = None,
    parameters: Parameters = DEFAULTS,
) -> Comparison:
    """Run a scenario with the oracle and with each policy."""
    if hours is not None:
        scenario = scenario.model_copy(update={"hours": hours})
    seed = scenario.seed if seed is None else seed
    found = []
    for name, make in list(_makers(policies)):
        run = drive(scenario, make, seed=seed, parameters=parameters)
        found.append((name, run, score(run, parameters)))
    best = found[0][2]
    outcomes = [_outcome(name, run, own, best) for name, run, own in found]
    return Comparison(scenario=scenario, seed=seed, outcomes=outcomes)


def _makers(policies: Sequence[str]) -> Iterator[tuple[str, MakePolicy]]:
    yield ORACLE, oracle
    for name in dict.fromkeys(policies):
        if name != ORACLE:
            policy = find(name)
            yield name, lambda world, policy=policy: policy  # type: ignore[misc]


def _outcome(name: str, run: Run, own: Score, best: Score) -> Outcome:
    return Outcome(
        policy=name,
        score=own,
        goodput=_part(own.useful, best.useful),
        net=_part(own.net, best.net),
        samples=run.samples,
    )


def _part(own: float, best: float) -> float:
    return own / best if best else 1.0
