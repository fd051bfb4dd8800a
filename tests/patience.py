"""Waiting for a condition. No test depends on how fast the machine is.

A wait ends when the condition is true. It gives up when nothing has moved for minutes; what moves
is told by `progress`, any value that changes while the work goes on.
"""

import time
from collections.abc import Callable
from typing import TypeVar

import pytest

PATIENCE = 180.0
"""Seconds without any progress after which a wait is in vain."""

LONGEST = 1200.0
"""Seconds after which a wait is in vain, even if something moves: it may move in circles."""

T = TypeVar("T")


def until(
    condition: Callable[[], T],
    what: str = "it",
    *,
    progress: Callable[[], object] = lambda: None,
    pause: float = 0.01,
) -> T:
    """Return what the condition returns, as soon as it is true or a value that is not empty."""
    begin = moved = time.monotonic()
    state = progress()
    while not (value := condition()):
        now, latest = time.monotonic(), progress()
        if latest != state:
            state, moved = latest, now
        if now > min(moved + PATIENCE, begin + LONGEST):
            pytest.fail(f"{what} did not happen within {now - begin:.0f} s; at last: {state}")
        time.sleep(pause)
    return value
