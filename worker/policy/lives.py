"""Lives: what pilots that still run tell of how pilots end.

A good end is known an hour after a bad one. To count ends alone is to trust a CE for an hour after
it broke, and to doubt it for an hour after it began or was repaired. But a pilot that has run for
half of its life has survived half of it: so much is counted while it runs.
"""

from collections.abc import Mapping
from math import log
from typing import Any

from worker.policy.parameters import Parameters

HOUR = 3600.0
WORTH, MEMORY = 4.0, 50.0
"""The length of a life is taken for an hour until so many are known, and learnt from so many."""


class Lives:
    """The pilots of one CE that started well and run."""

    def __init__(self, known: Mapping[str, Any], given: Parameters) -> None:
        self._survival = given.survival.total_seconds()
        self._half_life = given.half_life.total_seconds()
        self._running: int = known.get("running", 0)
        self._until: float | None = known.get("until")
        self._length: float = known.get("length", max(1.0, HOUR - self._survival))
        self._known: float = known.get("known", WORTH)

    def stored(self) -> dict[str, Any]:
        """Give what is to be stored."""
        return {
            "running": self._running,
            "until": self._until,
            "length": self._length,
            "known": self._known,
        }

    def go_on(self, at: float) -> float:
        """Count what was lived since it was counted last, in whole lives, as of now."""
        until, self._until = self._until, max(at, self._until or at)
        if until is None or at <= until or not self._running:
            return 0.0
        left: float = 0.5 ** ((at - until) / self._half_life)
        return self._running * self._half_life / log(2) * (1 - left) / self._length

    def begin(self, lived: float) -> float:
        """Count one more, and what it has lived before it was known to have started well."""
        self._running += 1
        return max(0.0, lived - self._survival) / self._length

    def end(self, lived: float | None) -> None:
        """Count one less; of one that ended well, learn how long a life is."""
        self._running = max(0, self._running - 1)
        if lived is not None:
            self._known = min(self._known + 1, MEMORY)
            self._length += (max(1.0, lived - self._survival) - self._length) / self._known
