"""Bars of SVG, whose lengths are attributes, so that a page needs no inline styles."""

from collections.abc import Mapping
from dataclasses import dataclass

from worker.domain.pilot import Status
from worker.services.ce_lines import CELine
from worker.services.observe.reports import PilotSums

WIDTH = 100
"""The length of a bar in units: all slots of a CE."""

ORDER = (Status.RUNNING, Status.SUBMITTED, Status.SUBMITTING, Status.RESERVED)


@dataclass(frozen=True)
class BarPart:
    """A part of a bar: its begin and its width, in units."""

    kind: str
    begin: float
    breadth: float


def slots(line: CELine) -> list[BarPart]:
    """Draw the pilots of a CE to scale; every status with pilots is visible."""
    return parts({str(status): getattr(line, str(status)) for status in ORDER}, line.capacity)


def ends(sums: PilotSums, largest: int) -> list[BarPart]:
    """Draw how pilots ended, scaled to the largest row."""
    counts = {
        "useful": sums.useful,
        "no-use": sums.short + sums.empty,
        "failed": sums.failed + max(0, sums.lost),
        "cancelled": sums.cancelled,
    }
    return parts(counts, largest)


def parts(counts: Mapping[str, int], whole: int) -> list[BarPart]:
    """Draw counts beside each other as parts of a whole."""
    drawn, begin = [], 0.0
    for kind, count in counts.items():
        breadth = min(WIDTH - begin, max(1.0, WIDTH * count / max(1, whole))) if count else 0.0
        if breadth > 0:
            drawn.append(BarPart(kind, round(begin, 2), round(breadth, 2)))
        begin += breadth
    return drawn
