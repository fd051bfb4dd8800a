"""Leases and allowances, against models, under a clock that may be set."""

from datetime import datetime, timedelta
from itertools import accumulate, count

from hypothesis import given
from hypothesis import strategies as st

from tests.factories import NOW
from tests.stateful.runs import some
from worker.db import locks
from worker.db.uow import UnitOfWork

LENGTH = timedelta(seconds=180)
holders = st.sampled_from(("one", "two", "three"))
gaps = st.sampled_from((0, 1, 90, 179, 180, 181, 3600))
acts = st.lists(st.tuples(holders, st.sampled_from(("take", "give back")), gaps), max_size=15)
numbers = count(1)


def test_a_lease_has_one_holder_at_a_time_and_runs_out(uow: UnitOfWork) -> None:
    @some(uow)
    @given(script=acts)
    def holds(script: list[tuple[str, str, int]]) -> None:
        name, now = f"lease {next(numbers)}", NOW
        held: tuple[str, datetime] | None = None
        for holder, act, gap in script:
            now += timedelta(seconds=gap)
            is_free = held is None or held[0] == holder or held[1] <= now
            with uow() as tx:
                if act == "take":
                    assert locks.take_lease(tx, name, holder, now, LENGTH) == is_free
                    held = (holder, now + LENGTH) if is_free else held
                else:
                    locks.release_lease(tx, name, holder)
                    held = None if held and held[0] == holder else held

    holds()


def test_no_stretch_of_time_sees_more_than_the_rate_and_one_allowance(uow: UnitOfWork) -> None:
    @some(uow)
    @given(
        rate=st.sampled_from((0.25, 1.0, 2.5, 60.0)),
        asked=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 100)), max_size=15),
    )
    def holds(rate: float, asked: list[tuple[int, int]]) -> None:
        name = f"rate {next(numbers)}"
        times = list(accumulate(gap for gap, _ in asked))
        taken = []
        for at, (_, wanted) in zip(times, asked, strict=True):
            with uow() as tx:
                now = NOW + timedelta(seconds=at)
                taken.append(locks.use_allowance(tx, name, wanted, rate, now))
            assert 0 <= taken[-1] <= wanted
        for first in range(len(taken)):
            for last in range(first, len(taken)):
                stretch = times[last] - times[first]
                assert sum(taken[first : last + 1]) <= max(1.0, rate) + stretch / 60 * rate + 1e-6

    holds()


def test_who_waits_long_enough_gets_a_token_though_the_clock_was_set_back(uow: UnitOfWork) -> None:
    @some(uow)
    @given(
        rate=st.sampled_from((0.25, 1.0, 60.0)),
        asked=st.lists(st.tuples(st.integers(-7200, 300), st.integers(0, 100)), max_size=8),
    )
    def holds(rate: float, asked: list[tuple[int, int]]) -> None:
        name, now = f"rate {next(numbers)}", NOW
        for gap, wanted in asked:
            now += timedelta(seconds=gap)
            with uow() as tx:
                locks.use_allowance(tx, name, wanted, rate, now)
        with uow() as tx:
            locks.use_allowance(tx, name, 0, rate, now)
        with uow() as tx:
            later = now + timedelta(seconds=60 / rate + 1)
            assert locks.use_allowance(tx, name, 1, rate, later) == 1

    holds()
