"""Small worlds for tests."""

from typing import Any

from worker.policy.allocation import three_chances
from worker.simulation.drive import Run, drive
from worker.simulation.scenario import CEModel, CETrouble, Scenario, TroubleKind


def a_scenario(**facts: Any) -> Scenario:
    """Make a scenario: by default one good CE of ten slots for three hours."""
    site = CEModel(name="ce", capacity=10, start=1.0, finish=1.0)
    return Scenario(**{"name": "test", "hours": 3.0, "sites": (site,), **facts})


def a_trouble(kind: TroubleKind, begins: float = 1.0, ends: float = 2.0, **facts: Any) -> CETrouble:
    """Make a trouble of the CE."""
    return CETrouble(ce="ce", kind=kind, begins=begins, ends=ends, **facts)


def ours(scenario: Scenario, **options: Any) -> Run:
    """Drive a scenario with the default policy."""
    return drive(scenario, lambda world: three_chances, **options)
