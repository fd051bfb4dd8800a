"""The chart of the overview: its bars show each failure once, and stay within the drawing."""

from datetime import UTC, datetime, timedelta

import pytest

from worker.services.observe.trend import Trend, TrendPoint
from worker.web.console.chart import BARS, LEAST, drawn, together

BEGIN = datetime(2026, 1, 31, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def course(failures: list[int]) -> Trend:
    points = [
        TrendPoint(at=BEGIN + place * MINUTE, running=3, waiting=1, failed=number)
        for place, number in enumerate(failures, 1)
    ]
    return Trend(begin=BEGIN, end=points[-1].at, step_seconds=60, points=points)


@pytest.mark.parametrize("steps", [1, 2, 59, 60, 61, 178, 179, 180])
def test_each_failure_is_in_one_bar(steps: int) -> None:
    failures = [place % 5 for place in range(1, steps + 1)]
    bars = together(course(failures).points)
    assert len(bars) <= BARS
    assert sum(one.failed for one in bars) == sum(failures)
    assert bars[-1].end == steps - 1
    assert [one.begin for one in bars[1:]] == [one.end for one in bars[:-1]]


@pytest.mark.parametrize("steps", [1, 60, 180])
def test_bars_stay_within_the_drawing_and_all_show(steps: int) -> None:
    bars = drawn(course([1] * (steps - 1) + [1000])).bars
    assert all(one.begin >= 0 and one.begin + one.breadth <= 100 for one in bars)
    assert min(one.depth for one in bars) >= LEAST


def test_words_and_labels_say_the_same_of_the_same_length() -> None:
    chart = drawn(course([0] * 177 + [1, 2, 4]))
    assert chart.failures == ["7 failed", "in 3 min", "most 7"]
    assert chart.description.endswith("7 failed; most in the 3 min to 15:00, 7.")


def test_where_none_failed_there_is_no_bar() -> None:
    chart = drawn(course([0] * 180))
    assert not chart.bars
    assert chart.description.endswith("None failed.")
