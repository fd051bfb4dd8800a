"""Scores: the worth of a run, to be compared with that of the oracle."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from worker.policy.parameters import DEFAULTS, Parameters
from worker.simulation.drive import Run
from worker.simulation.world import HOUR, SimulatedPilot

BURNT = 0.5
"""The price of a wasted slot-hour, in hours."""

EMPTY = 0.05
"""The price of a pilot that found no work, in hours."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """The worth of a run. Hours are slot-hours."""

    useful: float
    wasted: float
    pilots: int
    failed: int
    refused: int
    empty: int
    net: float
    fairness: float | None
    """Jain's index of the useful hours of the VOs, each divided by its share."""
    noticed: float | None
    """The longest time in minutes until a CE in trouble got only probes.

    `None` if a CE in trouble was never limited to probes, or if there was no trouble.
    """
    back: float | None
    """The longest time in minutes until a CE got more than probes after its trouble.

    `None` if a CE never did, or if no trouble ended.
    """

    @property
    def waste(self) -> float:
        """The part of the slot-hours that was wasted."""
        used = self.useful + self.wasted
        return self.wasted / used if used else 0.0


def score(run: Run, parameters: Parameters = DEFAULTS) -> Score:
    end = run.world.now
    pilots = run.world.pilots
    useful = sum(_hours(pilot, end) for pilot in pilots if pilot.cause is None and not pilot.empty)
    wasted = sum(_hours(pilot, end) for pilot in pilots if pilot.cause is not None)
    failed = sum(1 for pilot in pilots if pilot.cause is not None and pilot.ended is not None)
    empty = sum(1 for pilot in pilots if pilot.empty)
    refused = sum(run.world.refused.values())
    costs = BURNT * wasted + parameters.price_failed * failed
    costs += parameters.price_refused * refused + EMPTY * empty
    return Score(
        useful=useful,
        wasted=wasted,
        pilots=len(pilots),
        failed=failed,
        refused=refused,
        empty=empty,
        net=useful - costs,
        fairness=_fairness(run),
        noticed=_longest(noticed(run)),
        back=_longest(back(run)),
    )


def noticed(run: Run) -> list[float | None]:
    """Return for each trouble the minutes until its CE got only probes; `None` if it never did."""
    return [
        _minutes(begins, (t for t, rests in _rests(run, ce, begins) if rests and t < ends))
        for ce, begins, ends in _troubles(run)
    ]


def back(run: Run) -> list[float | None]:
    """Return for each trouble that ended the minutes until its CE got more than probes."""
    return [
        _minutes(ends, (t for t, rests in _rests(run, ce, ends) if not rests))
        for ce, _, ends in _troubles(run)
        if ends < run.world.now
    ]


def _troubles(run: Run) -> list[tuple[str, float, float]]:
    """List the troubles of all CEs: the CE, the beginning and the end."""
    return [
        (name, trouble.begins * HOUR, trouble.ends * HOUR)
        for name, ce in run.world.ces.items()
        for trouble in ce.truth.troubles
    ]


def _minutes(since: float, times: Iterator[float]) -> float | None:
    first = next(times, None)
    return None if first is None else max(0.0, first - since) / 60


def _rests(run: Run, ce: str, since: float) -> list[tuple[float, bool]]:
    """List the changes since a moment, after the last one before it, which was in effect then."""
    changes = run.resting.get(ce, [(0.0, False)])
    before = [change for change in changes if change[0] <= since]
    return [*before[-1:], *(change for change in changes if change[0] > since)]


def _longest(minutes: Sequence[float | None]) -> float | None:
    numbers = [one for one in minutes if one is not None]
    return max(numbers) if numbers and len(numbers) == len(minutes) else None


def _fairness(run: Run) -> float | None:
    if len(run.world.work) < 2:
        return None
    end = run.world.now
    hours = [
        sum(
            _hours(pilot, end)
            for pilot in run.world.pilots
            if pilot.vo == vo and pilot.cause is None
        )
        / max(work.owner.share, 1e-9)
        for vo, work in run.world.work.items()
    ]
    squares = sum(number**2 for number in hours)
    return sum(hours) ** 2 / len(hours) / squares if squares else 1.0


def _hours(pilot: SimulatedPilot, end: float) -> float:
    if pilot.began is None:
        return 0.0
    return ((end if pilot.ended is None else pilot.ended) - pilot.began) / HOUR
