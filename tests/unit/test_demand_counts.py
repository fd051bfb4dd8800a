"""The demand that follows from the number of a source: its parts, bounds and delay."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.factories import MINUTE, NOW
from worker.domain.demand import CountedDemand, DemandBounds, DemandCounts, HeldTotal, count

DELAY = 10 * MINUTE
NUMBERS = st.integers(0, 500)
LIMITS = st.none() | NUMBERS


def test_of_a_total_the_pilots_that_wait_or_run_are_counted_off() -> None:
    assert count(40, DemandCounts.TOTAL, occupying=31, waiting=11) == CountedDemand(
        demand=20, wanted=40, has=31, words="wants 40 in all, has 31, so 9 more"
    )


def test_a_total_below_what_there_is_needs_none() -> None:
    demand = count(5, DemandCounts.TOTAL, occupying=31, waiting=0)
    assert demand.demand == 0
    assert demand.words == "wants 5 in all, has 31, so 0 more"


def test_a_number_of_more_pilots_is_the_demand_as_it_is() -> None:
    assert count(9, DemandCounts.MORE, occupying=31, waiting=11) == CountedDemand(demand=9)
    assert count(None, DemandCounts.MORE, occupying=31, waiting=11) == CountedDemand(demand=None)


@pytest.mark.parametrize(
    ("number", "counts", "demand", "rule"),
    [
        (0, DemandCounts.TOTAL, 3, ": demand_min keeps 5"),
        (0, DemandCounts.MORE, 3, ": demand_min keeps 5"),
        (7, DemandCounts.TOTAL, 5, ""),
        (90, DemandCounts.TOTAL, 8, ": demand_max allows 10"),
        (90, DemandCounts.MORE, 8, ": demand_max allows 10"),
        (None, DemandCounts.MORE, 8, ": demand_max allows 10"),
    ],
)
def test_the_bounds_are_in_pilots_altogether(
    number: int | None, counts: DemandCounts, demand: int, rule: str
) -> None:
    bounds = DemandBounds(least=5, most=10)
    counted_demand = count(number, counts, occupying=2, waiting=0, bounds=bounds)
    assert counted_demand.demand == demand
    assert counted_demand.words is not None
    assert counted_demand.words.endswith(f"more{rule}")


def test_the_ceiling_is_above_the_floor() -> None:
    bounds = DemandBounds(least=50, most=10)
    assert count(0, DemandCounts.TOTAL, occupying=0, waiting=0, bounds=bounds).demand == 10


@given(NUMBERS | st.none(), st.sampled_from(DemandCounts), NUMBERS, NUMBERS, LIMITS, LIMITS, LIMITS)
def test_whatever_is_answered_the_bounds_hold_and_nothing_is_below_zero(
    number: int | None, counts: DemandCounts, running: int, waiting: int,
    least: int | None, most: int | None, held: int | None,
) -> None:  # fmt: skip
    bounds = DemandBounds(least=least, most=most)
    occupying = running + waiting
    demand = count(number, counts, occupying=occupying, waiting=waiting, bounds=bounds, held=held)
    assert demand.demand is None or demand.demand >= 0
    if most is not None:
        assert demand.demand is not None
        assert demand.demand + running <= max(most, running)
    if demand.demand is not None and least is not None:
        assert demand.demand + running >= min(least, most if most is not None else least)


def answers(*totals: tuple[int, int]) -> HeldTotal:
    memory = HeldTotal()
    for minute, total in totals:
        memory = memory.after(total, NOW + minute * MINUTE, DELAY)
    return memory


def test_a_lower_total_is_followed_after_the_delay() -> None:
    memory = answers((0, 40), (1, 10))
    assert memory.at(NOW + 11 * MINUTE - timedelta(seconds=1), DELAY).held == 40
    assert memory.at(NOW + 11 * MINUTE, DELAY).held == 10


def test_the_highest_of_the_lower_totals_is_followed() -> None:
    memory = answers((0, 40), (1, 10), (5, 25), (9, 0))
    assert memory.at(NOW + 11 * MINUTE, DELAY).held == 25


def test_a_total_that_is_higher_is_followed_at_once() -> None:
    assert answers((0, 40), (1, 10), (2, 60)) == HeldTotal(held=60)


def test_a_source_that_flaps_never_starves() -> None:
    flapping = answers(*((minute, 0 if minute % 2 else 40) for minute in range(60)))
    assert flapping.at(NOW + 60 * MINUTE, DELAY).held == 40


def test_a_source_that_falls_is_followed_in_steps() -> None:
    memory = answers(*((minute, max(0, 40 - minute)) for minute in range(80)))
    assert memory.at(NOW + 80 * MINUTE, DELAY).held == 0
