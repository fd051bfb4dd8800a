"""How often somebody may try: a few times at once, and then once in a while.

Kept in the memory of one process: several together let through as many times more.
"""

import time
from collections import OrderedDict
from collections.abc import Callable

from worker.domain.errors import PilotageError, TooManyAttempts, TooManyRequests


class Pace:
    """A bucket for each of those who try, which drains as time goes by."""

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
        """When the bucket of each is empty again; who tried longest ago is forgotten first."""

    def check(self, who: str) -> None:
        """Refuse somebody whose bucket has no room for one more."""
        level = self._empty_at.get(who, 0.0) - self._now()
        above = level + self._every - self._room
        if above > 0:
            seconds = int(above) + 1
            refusal = self._refusal(f"try again in {seconds} s")
            refusal.retry_after = seconds
            raise refusal

    def note(self, who: str) -> None:
        """Put one into the bucket of somebody."""
        now = self._now()
        self._empty_at[who] = max(now, self._empty_at.pop(who, now)) + self._every
        if len(self._empty_at) > self._most:
            self._empty_at.popitem(last=False)


def pace_of_failures() -> Pace:
    """Return how often attempts of an address may fail: who guesses has to wait."""
    return Pace(burst=10, every=6.0, most=10_000, refusal=TooManyAttempts)


def pace_of_reports() -> Pace:
    """Return how often a pilot may say what it does."""
    return Pace(burst=5, every=10.0, most=200_000, refusal=TooManyRequests)
