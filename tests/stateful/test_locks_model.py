"""Leases and allowances, against models, with a clock that may be set."""

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
        lease: tuple[str, datetime] | None = None
        for holder, act, gap in script:
            now += timedelta(seconds=gap)
            is_free = lease is None or lease[0] == holder or lease[1] <= now
            with uow() as tx:
                if act == "take":
                    assert locks.take_lease(tx, name, holder, now, LENGTH) == is_free
                    lease = (holder, now + LENGTH) if is_free else lease
                else:
                    locks.release_lease(tx, name, holder)
                    lease = None if lease and lease[0] == holder else lease

    holds()


def test_no_stretch_of_time_sees_more_than_the_rate_and_one_allowance(uow: UnitOfWork) -> None:
    @some(uow)
    @given(
        rate=st.sampled_from((0.25, 1.0, 2.5, 60.0)),
        requests=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 100)), max_size=15),
    )
    def holds(rate: float, requests: list[tuple[int, int]]) -> None:
        name = f"rate {next(numbers)}"
        times = list(accumulate(gap for gap, _ in requests))
        uses = []
        for at, (_, number) in zip(times, requests, strict=True):
            with uow() as tx:
                now = NOW + timedelta(seconds=at)
                uses.append(locks.use_allowance(tx, name, number, rate, now))
            assert 0 <= uses[-1] <= number
        for first in range(len(uses)):
            for last in range(first, len(uses)):
                stretch = times[last] - times[first]
                assert sum(uses[first : last + 1]) <= max(1.0, rate) + stretch / 60 * rate + 1e-6

    holds()


def test_who_waits_long_enough_gets_a_token_though_the_clock_was_set_back(uow: UnitOfWork) -> None:
    @some(uow)
    @given(
        rate=st.sampled_from((0.25, 1.0, 60.0)),
        requests=st.lists(st.tuples(st.integers(-7200, 300), st.integers(0, 100)), max_size=8),
    )
    def holds(rate: float, requests: list[tuple[int, int]]) -> None:
        name, now = f"rate {next(numbers)}", NOW
        for gap, number in requests:
            now += timedelta(seconds=gap)
            with uow() as tx:
                locks.use_allowance(tx, name, number, rate, now)
        with uow() as tx:
            locks.use_allowance(tx, name, 0, rate, now)
        with uow() as tx:
            later = now + timedelta(seconds=60 / rate + 1)
            assert locks.use_allowance(tx, name, 1, rate, later) == 1

    holds()
