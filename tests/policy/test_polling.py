"""The time of the next question to a CE, and the loss of a pilot that it does not know."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.factories import MINUTE, NOW
from worker.policy.polling import LOST_AFTER, LOST_MISSES, after_failures, is_lost, next_check

SECOND = timedelta(seconds=1)
QUIET = {
    "just_changed": (0, 15),
    "a_minute": (60, 15),
    "five_minutes": (300, 60),
    "an_hour": (3600, 300),
    "in_the_future": (-600, 15),
}


@pytest.mark.parametrize(("quiet", "seconds"), QUIET.values(), ids=QUIET)
def test_a_pilot_is_asked_after_ever_more_rarely(quiet: int, seconds: int) -> None:
    since = NOW - quiet * SECOND
    again = next_check(NOW, since, soonest=15 * SECOND, latest=300 * SECOND)
    assert again == NOW + seconds * SECOND


@pytest.mark.parametrize(
    ("failures", "minutes"), [(1, 0.25), (2, 0.5), (3, 1), (6, 8), (7, 10), (10**9, 10)]
)
def test_the_delay_after_failures_doubles_up_to_ten_minutes(failures: int, minutes: float) -> None:
    assert after_failures(NOW, failures, soonest=15 * SECOND) == NOW + minutes * MINUTE


@given(failures=st.integers(1, 10**6), soonest=st.floats(0.001, 10**6))
def test_the_next_try_lies_ahead_and_within_ten_minutes(failures: int, soonest: float) -> None:
    again = after_failures(NOW, failures, soonest=timedelta(seconds=soonest))
    assert NOW < again <= NOW + 10 * MINUTE


MISSING = {
    "never_missed": (3, None, False),
    "too_few": (LOST_MISSES - 1, NOW - 60 * MINUTE, False),
    "too_short": (LOST_MISSES + 50, NOW - LOST_AFTER + SECOND, False),
    "often_and_long_enough": (LOST_MISSES, NOW - LOST_AFTER, True),
    "in_the_future": (LOST_MISSES, NOW + MINUTE, False),
}


@pytest.mark.parametrize(("misses", "since", "is_over"), MISSING.values(), ids=MISSING)
def test_a_pilot_is_lost_when_it_was_missed_often_and_long_enough(
    misses: int, since: object, is_over: bool
) -> None:
    assert is_lost(misses, since, NOW) is is_over  # type: ignore[arg-type]


def test_a_pilot_is_not_lost_lightly() -> None:
    assert LOST_MISSES >= 3
    assert LOST_AFTER >= 10 * MINUTE
