"""Limits on how often somebody may try: a few times at once, then once in each interval.

The counts are in the memory of one process, so several processes together admit several times as
many.
"""

import time
from collections import OrderedDict
from collections.abc import Callable

from worker.domain.errors import PilotageError, TooManyAttempts, TooManyRequests


class Pace:
    """A leaky bucket for each of those who try."""

    def __init__(
        self,
        burst: int,
        every: float,
        most: int,
        refusal: type[PilotageError],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._now = now
        self._room = burst * every
        self._every = every
        self._most = most
        self._refusal = refusal
        self._empty_at: OrderedDict[str, float] = OrderedDict()
        """When each bucket is empty again. The one used longest ago is dropped first."""

    def check(self, who: str) -> None:
        """Refuse a caller whose bucket has no room for one more."""
        level = self._empty_at.get(who, 0.0) - self._now()
        above = level + self._every - self._room
        if above > 0:
            seconds = int(above) + 1
            refusal = self._refusal(f"try again in {seconds} s")
            refusal.retry_after = seconds
            raise refusal

    def note(self, who: str) -> None:
        """Count one attempt of a caller."""
        now = self._now()
        self._empty_at[who] = max(now, self._empty_at.pop(who, now)) + self._every
        if len(self._empty_at) > self._most:
            self._empty_at.popitem(last=False)


def pace_of_failures() -> Pace:
    """Return the limit on failed attempts from an address, which slows down guessing."""
    return Pace(burst=10, every=6.0, most=10_000, refusal=TooManyAttempts)


def pace_of_reports() -> Pace:
    """Return the limit on the reports of a pilot."""
    return Pace(burst=5, every=10.0, most=200_000, refusal=TooManyRequests)
