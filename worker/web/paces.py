"""How often each pilot may send something: a few requests at once, and then one in a while.

Kept in the memory of one process: several together let through as many times more.
"""

import time
from collections import OrderedDict
from collections.abc import Callable

from worker.domain.errors import TooManyRequests

BURST = 5
"""Requests that a pilot may send at once."""

EVERY = 10.0
"""Seconds after which it may send one more."""

MOST_PILOTS = 200_000
"""Pilots that are remembered; the one that was let in longest ago is forgotten first."""


class Paces:
    """A bucket of requests for each pilot."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._full_at: OrderedDict[str, float] = OrderedDict()
        """When the bucket of a pilot is full again."""

    def take(self, stamp: str) -> None:
        """Take one request of a pilot, or refuse it."""
        now = self._now()
        full_at = max(now, self._full_at.get(stamp, now)) + EVERY
        if full_at - now > BURST * EVERY:
            wait = int(full_at - now - BURST * EVERY) + 1
            raise TooManyRequests(f"try again in {wait} s")
        self._full_at[stamp] = full_at
        self._full_at.move_to_end(stamp)
        if len(self._full_at) > MOST_PILOTS:
            self._full_at.popitem(last=False)
