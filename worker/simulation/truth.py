"""The truth about one CE at a moment: its rates, its troubles."""

import math

from worker.simulation.scenario import (
    ALL,
    CEModel,
    CETrouble,
    Drift,
    Scenario,
    TroubleKind,
    names_of,
)

HOUR = 3600.0


class Truth:
    """The true properties of one CE. Moments are seconds from the beginning."""

    def __init__(self, name: str, model: CEModel, scenario: Scenario) -> None:
        self.name = name
        self.model = model
        self.slots = model.capacity if model.slots is None else model.slots
        mine = (ALL, name, model.name)
        self.troubles = [trouble for trouble in scenario.troubles if trouble.ce in mine]
        drifts = [drift for drift in scenario.drifts if drift.ce in mine]
        self._drifts: dict[str, Drift] = {drift.of: drift for drift in drifts}

    def rate(self, of: str, at: float) -> float:
        """Return a rate at a moment, without the troubles."""
        drift = self._drifts.get(of)
        return float(getattr(self.model, of)) if drift is None else _swing(drift, at)

    def trouble(self, at: float, *kinds: TroubleKind) -> CETrouble | None:
        """Return the trouble of one of these kinds that it has at a moment."""
        for trouble in self.troubles:
            if trouble.kind in kinds and trouble.begins * HOUR <= at < trouble.ends * HOUR:
                return trouble
        return None


def truths(scenario: Scenario) -> list[Truth]:
    """Make every CE of a scenario."""
    return [Truth(name, model, scenario) for model in scenario.sites for name in names_of(model)]


def _swing(drift: Drift, at: float) -> float:
    turn = math.sin(2 * math.pi * (at / HOUR / drift.period + drift.phase))
    return drift.low + (drift.high - drift.low) * (1 + turn) / 2
