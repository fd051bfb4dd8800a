"""Moments in words."""

from datetime import UTC, datetime, timedelta

import pytest

from worker.domain.lengths import clock

LATE = datetime(2026, 11, 26, 23, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        (0, "23:10Z"),
        (-20, "03:10Z"),
        (2, "01:10Z"),  # past midnight, and still clear
        (13, "27 Nov 12:10Z"),
        (-36, "25 Nov 11:10Z"),
        (24 * 60, "2027-01-25"),
    ],
)
def test_a_near_moment_bears_no_date(hours: int, words: str) -> None:
    assert clock(LATE + timedelta(hours=hours), LATE, seconds=False) == words
