"""The next time of a schedule."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.expectations import refused
from tests.factories import MINUTE, NOW
from worker.domain.errors import Invalid
from worker.policy.due import check_cron, next_tick

SECOND = timedelta(seconds=1)
BEATS = {
    "the_first": (None, NOW, 60),
    "on_time": (NOW, NOW, 60),
    "a_little_late": (NOW, NOW + 3 * SECOND, 60),
    "just_before_the_next": (NOW, NOW + 59 * SECOND, 60),
    "at_the_next": (NOW, NOW + MINUTE, 120),
    "after_an_hour_of_downtime": (NOW, NOW + 61 * MINUTE + SECOND, 62 * 60),
}


@pytest.mark.parametrize(("was", "now", "seconds"), BEATS.values(), ids=BEATS)
def test_an_interval_keeps_its_beat_and_makes_up_for_nothing(
    was: datetime | None, now: datetime, seconds: int
) -> None:
    assert next_tick(60, None, was, now) == NOW + seconds * SECOND


def test_a_tick_that_lies_ahead_begins_a_new_beat() -> None:
    assert next_tick(60, None, NOW + 5 * MINUTE, NOW) == NOW + MINUTE


@given(
    every=st.floats(0.1, 10**6),
    late=st.floats(0, 10**7),
)
def test_the_next_tick_is_the_first_of_the_beat_that_lies_ahead(every: float, late: float) -> None:
    now = NOW + timedelta(seconds=late)
    following = next_tick(every, None, NOW, now)
    beats = (following - NOW) / timedelta(seconds=every)

    assert now < following <= now + timedelta(seconds=every)
    assert beats == pytest.approx(round(beats))


def test_no_burst_follows_downtime() -> None:
    moment, number = NOW + timedelta(days=3), 0
    tick = NOW
    while tick <= moment:
        tick, number = next_tick(30, None, tick, moment), number + 1
    assert number == 1


LINES = {
    "each_hour": ("0 * * * *", datetime(2026, 3, 1, 13, tzinfo=UTC)),
    "at_night": ("30 3 * * *", datetime(2026, 3, 2, 3, 30, tzinfo=UTC)),
    "on_mondays": ("0 12 * * 1", datetime(2026, 3, 2, 12, tzinfo=UTC)),
    "on_leap_days": ("0 0 29 2 *", datetime(2028, 2, 29, tzinfo=UTC)),
}


@pytest.mark.parametrize(("line", "moment"), LINES.values(), ids=LINES)
def test_a_cron_line_fires_at_its_time_whatever_was_missed(line: str, moment: datetime) -> None:
    check_cron(line)
    assert next_tick(None, line, None, NOW) == moment
    assert next_tick(None, line, NOW - timedelta(days=400), NOW) == moment


@pytest.mark.parametrize(
    "line", ["", "* * * *", "61 * * * *", "* * * * * * *", "never", "0 0 30 2 *", "0 0 * * 9"]
)
def test_a_cron_line_that_cannot_be_read_or_never_fires_is_refused(line: str) -> None:
    with refused(Invalid, "cron line", repr(line)):
        check_cron(line)
