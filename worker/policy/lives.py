"""Lives: running pilots as evidence of how pilots end.

A good end is known about an hour later than a bad end. If only ends were counted, a CE would be
trusted for an hour after it broke, and distrusted for an hour after it began or was repaired. But a
pilot that has run for half of its usual life has survived that half, so this half is counted while
the pilot runs.
"""

from collections.abc import Mapping
from math import log
from typing import Any

from worker.policy.parameters import Parameters

HOUR = 3600.0
WORTH, MEMORY = 4.0, 50.0
"""The weight, in ends, of the initial guess that a life is one hour long; and the most weight of
all that was learnt."""


class Lives:
    """The pilots of one CE that started well and are running."""

    def __init__(self, state: Mapping[str, Any], parameters: Parameters) -> None:
        self._survival = parameters.survival.total_seconds()
        self._half_life = parameters.half_life.total_seconds()
        self._running: int = state.get("running", 0)
        self._until: float | None = state.get("until")
        self._length: float = state.get("length", max(1.0, HOUR - self._survival))
        self._ends: float = state.get("known", WORTH)

    def stored(self) -> dict[str, Any]:
        """Return the state to store."""
        return {
            "running": self._running,
            "until": self._until,
            "length": self._length,
            "known": self._ends,
        }

    def go_on(self, at: float) -> float:
        """Return the run time since the last count, in whole lives, with the weight it has now."""
        until, self._until = self._until, max(at, self._until or at)
        if until is None or at <= until or not self._running:
            return 0.0
        left: float = 0.5 ** ((at - until) / self._half_life)
        return self._running * self._half_life / log(2) * (1 - left) / self._length

    def begin(self, lived: float) -> float:
        """Add a pilot that started well. Return its run time since it survived, in lives."""
        self._running += 1
        return max(0.0, lived - self._survival) / self._length

    def end(self, lived: float | None) -> None:
        """Remove a pilot. `lived` is its run time if it ended well, and corrects the usual life."""
        self._running = max(0, self._running - 1)
        if lived is not None:
            self._ends = min(self._ends + 1, MEMORY)
            self._length += (max(1.0, lived - self._survival) - self._length) / self._ends
