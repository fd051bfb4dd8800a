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
from worker.simulation.scenario import CETrouble as CETrouble
from worker.simulation.scenario import Scenario, parse
from worker.simulation.score import Score, score

ORACLE = "oracle"
"""The policy that knows the truth; its result is the measure for the others."""

COMPARED = (DEFAULT_POLICY, "proportional", "fill_all")
"""The policies that are compared when none is named."""

SUFFIX = ".toml"


@dataclass(frozen=True, kw_only=True)
class PolicyResult:
    """The score of one policy in one scenario."""

    policy: str
    score: Score
    goodput: float
    """Useful slot-hours, divided by the oracle's."""
    net: float
    """Useful slot-hours less the price of failures, divided by the oracle's."""
    samples: list[Sample]


@dataclass(frozen=True, kw_only=True)
class PolicyComparison:
    """The scores of several policies in one scenario; the oracle comes first."""

    scenario: Scenario
    seed: int
    outcomes: list[PolicyResult]


def scenarios() -> list[Scenario]:
    """List the scenarios that come with Pilotage."""
    folder = files("worker.simulation") / "scenarios"
    scenario_files = [file for file in folder.iterdir() if file.name.endswith(SUFFIX)]
    return [
        parse(file.name.removesuffix(SUFFIX), tomllib.loads(file.read_text(encoding="utf-8")))
        for file in sorted(scenario_files, key=lambda file: file.name)
    ]


def load(name: str) -> Scenario:
    """Return a scenario that comes with Pilotage, or read one from its file."""
    if name.endswith(SUFFIX):
        return parse(Path(name).stem, read_toml(Path(name)))
    by_name = {scenario.name: scenario for scenario in scenarios()}
    if name not in by_name:
        raise Invalid(f"scenario {name}", f"{nearest(name, by_name)}; a file ends in {SUFFIX}")
    return by_name[name]


def compare(
    scenario: Scenario,
    policies: Sequence[str] = COMPARED,
    *,
    hours: float | None = None,
    seed: int | None = None,
    parameters: Parameters = DEFAULTS,
) -> PolicyComparison:
    """Run a scenario with the oracle and with each policy."""
    if hours is not None:
        scenario = scenario.model_copy(update={"hours": hours})
    seed = scenario.seed if seed is None else seed
    runs = []
    for name, make in list(_makers(policies)):
        run = drive(scenario, make, seed=seed, parameters=parameters)
        runs.append((name, run, score(run, parameters)))
    best = runs[0][2]
    outcomes = [_outcome(name, run, own, best) for name, run, own in runs]
    return PolicyComparison(scenario=scenario, seed=seed, outcomes=outcomes)


def _makers(policies: Sequence[str]) -> Iterator[tuple[str, MakePolicy]]:
    yield ORACLE, oracle
    for name in dict.fromkeys(policies):
        if name != ORACLE:
            policy = find(name)
            yield name, lambda world, policy=policy: policy  # type: ignore[misc]


def _outcome(name: str, run: Run, own: Score, best: Score) -> PolicyResult:
    return PolicyResult(
        policy=name,
        score=own,
        goodput=_part(own.useful, best.useful),
        net=_part(own.net, best.net),
        samples=run.samples,
    )


def _part(own: float, best: float) -> float:
    return own / best if best else 1.0
