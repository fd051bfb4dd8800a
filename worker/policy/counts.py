"""Counts of outcomes whose weight fades with time: a recent count and a long-term count.

Moments are seconds since the epoch, as they are stored.
"""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

from worker.policy.facts import Chances, Outcomes
from worker.policy.outcomes import EventKind
from worker.policy.parameters import Parameters

ACCEPT, START, FINISH = range(3)
GOOD, BAD = range(2)

MINUTE = 60.0

LEAST_DEATHS, DEATHS_PER_END = 5, 3
"""How many deaths in one minute count: the first number, plus the second for each end that a minute
usually has."""

TELLS = {
    EventKind.ACCEPTED: (ACCEPT, GOOD),
    EventKind.REFUSED: (ACCEPT, BAD),
    EventKind.STARTED: (START, GOOD),
    EventKind.FAILED_START: (START, BAD),
    EventKind.FINISHED: (FINISH, GOOD),
    EventKind.FAILED_LATE: (FINISH, BAD),
}
"""For each outcome, the chance that it is about, and whether it is good or bad."""


NOTHING: Any = ((0.0, 0.0),) * 3
"""The counts before the first outcome."""


class Counts:
    """Good and bad outcomes for each of the three chances, with their remaining weight.

    Pairs are changed in place: before new outcomes are added, the state must be copied (`own`).
    """

    def __init__(self, state: Mapping[str, Any], configured: float, parameters: Parameters) -> None:
        self._configured = (1.0, sqrt(configured), sqrt(configured))
        self._parameters = parameters
        self._half_life = parameters.half_life.total_seconds()
        self._memory = parameters.memory.total_seconds()
        self._at: float | None = state.get("at")
        self._lately: list[list[float]] = state.get("lately") or NOTHING
        self._before: list[list[float]] = state.get("before") or NOTHING
        self._deaths: Sequence[int] = state.get("deaths", (0, 0))

    def stored(self) -> dict[str, Any]:
        """Return the state to store."""
        return {
            "at": self._at,
            "lately": self._lately,
            "before": self._before,
            "deaths": self._deaths,
        }

    def add(self, kind: EventKind, at: float) -> None:
        """Count one outcome. An outcome that is counted late gets the weight that it would have now
        if it had been counted in time.
        """
        chance, which = TELLS[kind]
        self._add(self._lately, chance, which, 1.0, at)
        self._add(self._before, chance, which, 1.0, at)

    def add_end(self, at: float) -> None:
        """Count a good end of a pilot whose run time was already counted while it ran."""
        self._add(self._before, FINISH, GOOD, 1.0, at)

    def add_lives(self, lives: float, at: float) -> None:
        """Count the run time of running pilots, in whole lives. A life counts as a good end."""
        if lives:
            self._add(self._lately, FINISH, GOOD, lives, at)

    def add_death(self, ended: float, at: float) -> None:
        """Count a late failure, unless too many died in that minute.

        Pilots that die together died of the same cause. However many they are, they tell no more
        about new pilots than a few deaths do.
        """
        minute, died = int(ended // MINUTE), 1
        if minute == self._deaths[0]:
            died += self._deaths[1]
        self._deaths = (minute, died)
        per_minute = sum(self._lately[FINISH]) / (self._half_life / MINUTE)
        if died <= LEAST_DEATHS + DEATHS_PER_END * per_minute:
            self.add(EventKind.FAILED_LATE, at)

    def forgive(self) -> None:
        """Reduce the weight of old failures."""
        for pair in (*self._lately, *self._before):
            pair[BAD] *= self._parameters.forgiven

    def base(self, chance: int, now: float) -> float:
        """Return the long-term rate of a step: the configured rate, corrected by outcomes."""
        return self._base(chance, self._left(self._elapsed(now)))

    def chance(self, chance: int, now: float) -> float:
        """Return the chance of a step now: the long-term rate, corrected by recent outcomes."""
        return self._chance(chance, self._left(self._elapsed(now)))

    def chances(self, now: float) -> Chances:
        """Return all three chances, with as many digits as a trace keeps."""
        left = self._left(self._elapsed(now))
        return Chances(
            accept=round(self._chance(ACCEPT, left), 6),
            start=round(self._chance(START, left), 6),
            finish=round(self._chance(FINISH, left), 6),
        )

    def outcomes(self, now: float) -> Outcomes:
        """Return how many recent outcomes of each step still count now."""
        part = self._left(self._elapsed(now))[0]
        accept, start, finish = (
            (round(good * part), round(bad * part)) for good, bad in self._lately
        )
        return Outcomes(accept=accept, start=start, finish=finish)

    def _base(self, chance: int, left: tuple[float, float]) -> float:
        good, bad = self._before[chance]
        worth = self._parameters.configured_worth
        part = left[1]
        return (worth * self._configured[chance] + good * part) / (worth + (good + bad) * part)

    def _chance(self, chance: int, left: tuple[float, float]) -> float:
        good, bad = self._lately[chance]
        if chance == FINISH:
            # A pilot that failed late had lived half of its life on average, and a part of that
            # was already counted as good.
            good = max(0.0, good - bad * self._parameters.lived_part / 2)
        prior, part = self._parameters.prior, left[0]
        return (prior * self._base(chance, left) + good * part) / (prior + (good + bad) * part)

    def _add(
        self, counts: list[list[float]], chance: int, which: int, number: float, at: float
    ) -> None:
        if self._at is None or at >= self._at:
            self._fade(at)
            counts[chance][which] += number
            return
        left = self._left(self._at - at)
        counts[chance][which] += number * left[0 if counts is self._lately else 1]

    def _fade(self, at: float) -> None:
        if self._at is not None and at > self._at:
            for left, counts in zip(
                self._left(at - self._at), (self._lately, self._before), strict=True
            ):
                for pair in counts:
                    pair[GOOD] *= left
                    pair[BAD] *= left
        self._at = at

    def _left(self, elapsed: float) -> tuple[float, float]:
        """Return the part of the recent and of the long-term counts that is left after a time."""
        return 0.5 ** (elapsed / self._half_life), 0.5 ** (elapsed / self._memory)

    def _elapsed(self, now: float) -> float:
        return 0.0 if self._at is None else max(0.0, now - self._at)


def own(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a state with copies of the counts, which may be changed in place."""
    pairs = {part: [list(p) for p in state.get(part) or NOTHING] for part in ("lately", "before")}
    return {**state, **pairs}
