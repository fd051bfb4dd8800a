"""Two sides that do the same in turn; the result is how many times as long ours takes."""

import sys
from collections.abc import Callable, Iterable
from statistics import median
from time import perf_counter
from typing import Protocol

AIM = 1.5
TURNS = {"submit": 1, "status": 9}
"""How often each operation is done in a round. A question changes nothing, so many of them even out
the other work of a CE."""

Work = Callable[[], object]


class Sides(Protocol):
    """The operations of both sides: each returns our way and the bare way."""

    def submit(self) -> tuple[Work, Work]:
        """Send a thousand jobs."""

    def status(self) -> tuple[Work, Work]:
        """Ask for the status of a thousand jobs."""

    def clear(self) -> None:
        """Remove the jobs."""


def ratios(rounds: Iterable[Sides]) -> dict[str, float]:
    """Measure both sides in turn; return the median of the ratios, by operation."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in TURNS}
    for sides in rounds:
        for name, turns in TURNS.items():
            ours, bare = getattr(sides, name)()
            times[name] += [(seconds_of(ours), seconds_of(bare)) for _ in range(turns)]
        sides.clear()
    for name, pairs in times.items():
        both = [round(1000 * median(side)) for side in zip(*pairs, strict=True)]
        sys.stderr.write(f"{name}: ours {both[0]} ms, bare {both[1]} ms\n")
    return {name: round(median(a / b for a, b in pairs), 2) for name, pairs in times.items()}


def seconds_of(work: Work) -> float:
    began = perf_counter()
    work()
    return perf_counter() - began
