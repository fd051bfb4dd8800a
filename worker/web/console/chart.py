"""The chart of the last hours: running and waiting pilots above the axis, failed ones below it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from worker.services.observe.trend import Trend, TrendPoint
from worker.web.console import words
from worker.web.console.pilot_life import Mark, marks

HEIGHT = 150
"""The height above the axis, in units."""

DEPTH = 44
"""The height below the axis, in units."""

LEAST = 2.0
"""The least height of a bar in units, so that a single failure is visible."""

BARS = 60
"""The most bars, so that on a phone each is still some pixels wide."""

GAP = 0.28
"""The part of a bar's place that stays empty."""

LINES = 3
"""The most lines at round numbers."""


@dataclass(frozen=True, kw_only=True)
class ChartBar:
    """The failures in the steps of one bar. Widths are in percent, so that no bar is stretched."""

    begin: float
    breadth: float
    depth: float
    title: str


@dataclass(frozen=True, kw_only=True)
class BarFailures:
    """The number of pilots that failed between two points, given by their places in the list."""

    begin: int
    end: int
    at: datetime
    failed: int


@dataclass(frozen=True, kw_only=True)
class ChartLine:
    """A horizontal line at a round number."""

    y: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart ready to be drawn; one unit of width is one step."""

    breadth: int
    running: str
    """The points of the line of running pilots."""
    active: str
    """The points of the line of running and waiting pilots."""
    bars: list[ChartBar]
    lines: list[ChartLine]
    marks: list[Mark]
    labels: list[tuple[str, float]]
    """The texts at the ends of the two lines, and their heights."""
    failures: list[str]
    """The texts beside the bars."""
    description: str
    """A description of the chart in words."""


def drawn(trend: Trend) -> Chart:
    """Lay out the chart of the last hours."""
    points = trend.points
    most = max(1, *(one.running + one.waiting for one in points))
    failures, breadth = together(points), max(1, len(points) - 1)
    length = words.length(timedelta(seconds=trend.step_seconds * _steps(points)))

    def y(number: float) -> float:
        return round(HEIGHT - (HEIGHT - 8) * number / most, 1)

    last = points[-1]
    return Chart(
        breadth=breadth,
        running=_line([y(one.running) for one in points]),
        active=_line([y(one.running + one.waiting) for one in points]),
        bars=_bars(failures, breadth),
        lines=[ChartLine(y=y(one), label=words.number(one)) for one in _round_numbers(most)],
        marks=marks(trend.begin, trend.end),
        labels=_apart(
            (f"{words.number(last.waiting)} waiting", y(last.running + last.waiting)),
            (f"{words.number(last.running)} running", y(last.running)),
        ),
        failures=_labels(failures, length),
        description=_words(trend, failures, length),
    )


def _line(heights: Sequence[float]) -> str:
    return " ".join(f"{place},{y:g}" for place, y in enumerate(heights))


def together(points: Sequence[TrendPoint]) -> list[BarFailures]:
    """Sum up the steps that one bar shows; the last bar ends at the last point."""
    each = _steps(points)
    ends = range(len(points), 0, -each)
    return [
        BarFailures(
            begin=max(0, end - each - 1),
            end=end - 1,
            at=points[end - 1].at,
            failed=sum(one.failed for one in points[max(0, end - each) : end]),
        )
        for end in reversed(ends)
    ]


def _steps(points: Sequence[TrendPoint]) -> int:
    return -(-len(points) // BARS)


def _bars(failures: Sequence[BarFailures], breadth: int) -> list[ChartBar]:
    worst = max(one.failed for one in failures)
    return [
        ChartBar(
            begin=round(100 * one.begin / breadth, 3),
            breadth=round(100 * (one.end - one.begin) * (1 - GAP) / breadth, 3),
            depth=round(max(LEAST, DEPTH * one.failed / worst), 1),
            title=f"to {one.at:%H:%M}: {words.number(one.failed)} failed",
        )
        for one in failures
        if one.failed
    ]


def _round_numbers(most: int) -> list[int]:
    """Return the multiples of a round number up to `most`; there are at most three."""
    step = 1
    while most // step > LINES:
        digit = int(str(step)[0])
        step = step * 2 if digit != 2 else step * 5 // 2
    return [step * place for place in range(1, most // step + 1)]


def _apart(upper: tuple[str, float], lower: tuple[str, float]) -> list[tuple[str, float]]:
    """Keep the two texts from overlapping, and within the drawing."""
    second = min(HEIGHT - 2.0, max(lower[1] + 4, 34.0))
    first = min(max(upper[1] + 4, 14.0), second - 18)
    return [(upper[0], round(first, 1)), (lower[0], round(second, 1))]


def _labels(failures: Sequence[BarFailures], length: str) -> list[str]:
    worst = max(one.failed for one in failures)
    return [
        f"{words.number(failures[-1].failed)} failed",
        f"in {length}",
        f"most {words.number(worst)}",
    ]


def _words(trend: Trend, failures: Sequence[BarFailures], length: str) -> str:
    points, last = trend.points, trend.points[-1]
    highest = max(points, key=lambda one: one.running)
    lowest = min(points, key=lambda one: one.running)
    sentence = (
        f"{words.counted(last.running, 'pilot runs', 'pilots run')} now and "
        f"{words.counted(last.waiting, 'waits', 'wait')}. "
        f"Most ran at {_at(highest.at)}, {words.number(highest.running)}; "
        f"fewest at {_at(lowest.at)}, {words.number(lowest.running)}. "
    )
    failed = sum(one.failed for one in failures)
    if not failed:
        return f"{sentence}None failed."
    worst = max(failures, key=lambda one: one.failed)
    return (
        f"{sentence}{words.number(failed)} failed; "
        f"most in the {length} to {_at(worst.at)}, {words.number(worst.failed)}."
    )


def _at(moment: datetime) -> str:
    return f"{moment:%H:%M}"
