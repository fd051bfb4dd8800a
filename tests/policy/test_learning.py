"""What outcomes teach about a CE."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.policy.learning import CONFIGURED_WORTH, HALF_LIFE, SUCCESS_RATE, fold

AT_ONCE = timedelta()


def learned(configured: float, good: int, bad: int) -> float:
    return fold({}, configured=configured, good=good, bad=bad, elapsed=AT_ONCE)[SUCCESS_RATE]


@pytest.mark.parametrize("configured", [0.0, 0.3, 1.0])
def test_a_ce_that_nothing_is_known_of_has_its_configured_rate(configured: float) -> None:
    assert learned(configured, 0, 0) == pytest.approx(configured)


def test_the_configured_rate_is_worth_ten_pilots() -> None:
    assert CONFIGURED_WORTH == 10
    assert learned(1.0, 0, 10) == pytest.approx(0.5)
    assert learned(0.0, 30, 0) == pytest.approx(0.75)


def test_what_was_learnt_halves_in_its_half_life_and_the_configured_rate_comes_back() -> None:
    known = fold({}, configured=1.0, good=0, bad=40, elapsed=AT_ONCE)
    later = fold(known, configured=1.0, good=0, bad=0, elapsed=HALF_LIFE)
    much_later = fold(later, configured=1.0, good=0, bad=0, elapsed=50 * HALF_LIFE)

    assert later["bad"] == pytest.approx(20)
    assert much_later[SUCCESS_RATE] == pytest.approx(1.0)


def test_what_others_learnt_is_left_out() -> None:
    folded = fold({"other": "word"}, configured=1.0, good=1, bad=0, elapsed=AT_ONCE)
    assert folded.keys() == {"good", "bad", SUCCESS_RATE}


@given(
    configured=st.floats(0, 1),
    good=st.integers(0, 10**6),
    bad=st.integers(0, 10**6),
    more=st.integers(1, 1000),
    hours=st.floats(0, 10**5),
)
def test_a_rate_is_a_rate_and_follows_what_happens(
    configured: float, good: int, bad: int, more: int, hours: float
) -> None:
    known = fold({}, configured=configured, good=good, bad=bad, elapsed=AT_ONCE)
    elapsed = timedelta(hours=hours)
    better = fold(known, configured=configured, good=more, bad=0, elapsed=elapsed)
    worse = fold(known, configured=configured, good=0, bad=more, elapsed=elapsed)

    for rates in (known, better, worse):
        assert 0 <= rates[SUCCESS_RATE] <= 1 + 1e-12
    assert better[SUCCESS_RATE] >= worse[SUCCESS_RATE]


def test_the_order_in_which_outcomes_are_folded_in_changes_nothing() -> None:
    apart = fold({}, configured=0.8, good=3, bad=0, elapsed=AT_ONCE)
    apart = fold(apart, configured=0.8, good=0, bad=4, elapsed=AT_ONCE)
    assert apart == fold({}, configured=0.8, good=3, bad=4, elapsed=AT_ONCE)
