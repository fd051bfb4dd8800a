"""Two sides that do the same by turns; what is told is how many times as long ours takes."""

import sys
from collections.abc import Callable, Iterable
from statistics import median
from time import perf_counter
from typing import Protocol

AIM = 1.5
TURNS = {"submit": 1, "status": 9}
"""How often each is done in a round. Asking changes nothing, and what else a CE has to do now and
then would tell more than the two sides do."""

Work = Callable[[], object]


class Sides(Protocol):
    """What both do: each gives ours and the bare way of it."""

    def submit(self) -> tuple[Work, Work]:
        """Send a thousand jobs."""

    def status(self) -> tuple[Work, Work]:
        """Ask after a thousand jobs."""

    def clear(self) -> None:
        """Remove them."""


def ratios(rounds: Iterable[Sides]) -> dict[str, float]:
    """Measure both sides in turn; tell the median of the ratios, by operation."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in TURNS}
    for sides in rounds:
        for name, turns in TURNS.items():
            ours, bare = getattr(sides, name)()
            times[name] += [(_seconds(ours), _seconds(bare)) for _ in range(turns)]
        sides.clear()
    for name, taken in times.items():
        both = [round(1000 * median(side)) for side in zip(*taken, strict=True)]
        sys.stderr.write(f"{name}: ours {both[0]} ms, bare {both[1]} ms\n")
    return {name: round(median(a / b for a, b in taken), 2) for name, taken in times.items()}


def _seconds(work: Work) -> float:
    began = perf_counter()
    work()
    return perf_counter() - began
