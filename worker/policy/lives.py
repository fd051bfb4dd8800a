"""Lives: what running pilots show about how pilots end.

A good end is known an hour later than a bad one. Counting ends alone would trust a CE for an hour
after it broke, and doubt it for an hour after it began or was repaired. But a pilot that has run
for half of its life has survived half of it: that half is counted while it runs.
"""

from collections.abc import Mapping
from math import log
from typing import Any

from worker.policy.parameters import Parameters

HOUR = 3600.0
WORTH, MEMORY = 4.0, 50.0
"""Weight of the first guess of the length of a life, one hour, and of all that was learnt."""


class Lives:
    """The pilots of one CE that started well and run."""

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
        """Return the lives lived since the last count, in whole lives, with their weight now."""
        until, self._until = self._until, max(at, self._until or at)
        if until is None or at <= until or not self._running:
            return 0.0
        left: float = 0.5 ** ((at - until) / self._half_life)
        return self._running * self._half_life / log(2) * (1 - left) / self._length

    def begin(self, lived: float) -> float:
        """Add a pilot; return what it lived before it was known to have started well, in lives."""
        self._running += 1
        return max(0.0, lived - self._survival) / self._length

    def end(self, lived: float | None) -> None:
        """Remove a pilot; one that ended well shows how long a life is."""
        self._running = max(0, self._running - 1)
        if lived is not None:
            self._ends = min(self._ends + 1, MEMORY)
            self._length += (max(1.0, lived - self._survival) - self._length) / self._ends
