"""The chart of the last hours: what runs and waits above the axis, what failed below it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from worker.services.observe.trend import Trend, TrendPoint
from worker.web.console import words
from worker.web.console.pilot_life import Mark, marks

HEIGHT = 150
"""Units above the axis."""

DEPTH = 44
"""Units below it."""

LINES = 3
"""Lines of a round number at most."""


@dataclass(frozen=True, kw_only=True)
class ChartBar:
    """What failed in one step."""

    begin: float
    depth: float
    title: str


@dataclass(frozen=True, kw_only=True)
class ChartLine:
    """A line of a round number."""

    y: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart as it is drawn: a unit across is a step."""

    breadth: int
    running: str
    """The points of the line of those that run."""
    active: str
    """The points of the line of those that run or wait."""
    bars: list[ChartBar]
    lines: list[ChartLine]
    marks: list[Mark]
    labels: list[tuple[str, float]]
    """What stands at the end of the two lines, and how high."""
    failures: list[str]
    """What stands beside the bars."""
    words: str
    """What one should see."""


def drawn(trend: Trend) -> Chart:
    """Draw the last hours."""
    points = trend.points
    most = max(1, *(one.running + one.waiting for one in points))
    worst = max(one.failed for one in points)

    def y(number: float) -> float:
        return round(HEIGHT - (HEIGHT - 8) * number / most, 1)

    last = points[-1]
    return Chart(
        breadth=max(1, len(points) - 1),
        running=_line([y(one.running) for one in points]),
        active=_line([y(one.running + one.waiting) for one in points]),
        bars=_bars(points, worst),
        lines=[ChartLine(y=y(one), label=words.number(one)) for one in _round_numbers(most)],
        marks=marks(trend.begin, trend.end),
        labels=_apart(
            (f"{words.number(last.waiting)} waiting", y(last.running + last.waiting)),
            (f"{words.number(last.running)} running", y(last.running)),
        ),
        failures=_failures(trend, worst),
        words=_words(trend, worst),
    )


def _line(heights: Sequence[float]) -> str:
    return " ".join(f"{place},{y:g}" for place, y in enumerate(heights))


def _bars(points: Sequence[TrendPoint], worst: int) -> list[ChartBar]:
    return [
        ChartBar(
            begin=round(place - 0.36, 2),
            depth=round(max(1.0, DEPTH * one.failed / worst), 1),
            title=f"{one.at:%H:%M}: {words.number(one.failed)} failed",
        )
        for place, one in enumerate(points)
        if one.failed
    ]


def _round_numbers(most: int) -> list[int]:
    """Return the multiples of a round number up to the most, at most three."""
    step = 1
    while most // step > LINES:
        digit = int(str(step)[0])
        step = step * 2 if digit != 2 else step * 5 // 2
    return [step * place for place in range(1, most // step + 1)]


def _apart(upper: tuple[str, float], lower: tuple[str, float]) -> list[tuple[str, float]]:
    """Keep the words at the lines from standing on each other, and within the drawing."""
    second = min(HEIGHT - 2.0, max(lower[1] + 4, 34.0))
    first = min(max(upper[1] + 4, 14.0), second - 18)
    return [(upper[0], round(first, 1)), (lower[0], round(second, 1))]


def _failures(trend: Trend, worst: int) -> list[str]:
    step = words.length(timedelta(seconds=trend.step_seconds))
    last = trend.points[-1].failed
    return [f"failed each {step}: {words.number(last)}", f"most {words.number(worst)}"]


def _words(trend: Trend, worst: int) -> str:
    points, last = trend.points, trend.points[-1]
    highest = max(points, key=lambda one: one.running)
    lowest = min(points, key=lambda one: one.running)
    sentence = (
        f"{words.counted(last.running, 'pilot runs', 'pilots run')} now and "
        f"{words.counted(last.waiting, 'waits', 'wait')}. "
        f"Most ran at {_at(highest.at)}, {words.number(highest.running)}; "
        f"fewest at {_at(lowest.at)}, {words.number(lowest.running)}. "
    )
    failed = sum(one.failed for one in points)
    if not failed:
        return f"{sentence}None failed."
    when = next(one.at for one in points if one.failed == worst)
    step = words.length(timedelta(seconds=trend.step_seconds))
    return (
        f"{sentence}{words.number(failed)} failed; "
        f"most in the {step} to {_at(when)}, {words.number(worst)}."
    )


def _at(moment: datetime) -> str:
    return f"{moment:%H:%M}"
