"""Waiting for a condition. No test depends on how fast the machine is.

A wait ends when the condition is true. It gives up when nothing has moved for minutes: `progress`
returns any value that changes while the work goes on.
"""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

import pytest

PATIENCE = 180.0
"""Seconds without any progress after which a wait gives up."""

LONGEST = 1200.0
"""Seconds after which a wait gives up, even if something moves: it may move in circles."""

T = TypeVar("T")


class Patience:
    """Lasts as long as something moves, and for minutes after that."""

    def __init__(self, progress: Callable[[], object] = lambda: None) -> None:
        self._progress, self.state = progress, progress()
        self._begin = self._latest_move = time.monotonic()

    def lasts(self) -> bool:
        """Return whether to wait on."""
        now, latest = time.monotonic(), self._progress()
        if latest != self.state:
            self.state, self._latest_move = latest, now
        return now < min(self._latest_move + PATIENCE, self._begin + LONGEST)


def until(
    condition: Callable[[], T | None],
    what: str = "it",
    *,
    progress: Callable[[], object] = lambda: None,
    pause: float = 0.01,
) -> T:
    """Return what the condition returns, as soon as this is true or not empty."""
    patience = Patience(progress)
    while not (value := condition()):
        if not patience.lasts():
            pytest.fail(f"waited in vain for {what}; at last: {patience.state}")
        time.sleep(pause)
    return value


def wait_for(*threads: threading.Thread) -> None:
    """Wait for the end of threads. The limit only ends a test that hangs."""
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive(), f"{thread.name} hangs"
