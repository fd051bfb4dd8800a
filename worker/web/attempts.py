"""Attempts that failed, by the address they came from: who guesses has to wait ever longer."""

import time
from collections import OrderedDict
from collections.abc import Callable

from worker.domain.errors import TooManyAttempts

FREE = 10
"""Attempts that may fail before an address has to wait."""

REFILL = 6.0
"""Seconds after which one more attempt may fail."""

MOST_ADDRESSES = 10_000
"""Addresses that are remembered; the oldest is forgotten first."""


class Attempts:
    """A bucket of attempts for each address; only those that fail take from it."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._empty_at: OrderedDict[str, float] = OrderedDict()
        """When the failures of an address will be forgotten."""

    def check(self, address: str) -> None:
        """Refuse an address that has failed too often lately."""
        left = self._empty_at.get(address, 0.0) - self._now()
        if left > FREE * REFILL:
            wait = int(left - FREE * REFILL) + 1
            raise TooManyAttempts(f"try again in {wait} s")

    def note_failure(self, address: str) -> None:
        """Count an attempt that failed."""
        now = self._now()
        since = max(now, self._empty_at.pop(address, now))
        self._empty_at[address] = since + REFILL
        if len(self._empty_at) > MOST_ADDRESSES:
            self._empty_at.popitem(last=False)
