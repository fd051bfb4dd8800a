"""The tables of the back-end slurm, in both databases."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.factories import NOW
from worker.backends.contract import Means
from worker.backends.slurm.memory import (
    FIRST_LOOK,
    KEEP_CANCELLATIONS,
    OVERLAP,
    TIDY_EVERY,
    USES,
    Memory,
)
from worker.db.uow import UnitOfWork

STAMPS = [f"{n:032x}" for n in range(1000)]


class Clock:
    """A clock that moves only when the test moves it."""

    def __init__(self) -> None:
        self.now = NOW

    def wait(self, delay: timedelta) -> datetime:
        self.now += delay
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def memory(uow: UnitOfWork, clock: Clock) -> Memory:
    return Memory("hpc", Means(uow=uow, home=Path("unused"), now=lambda: clock.now))


def test_the_history_is_listed_from_a_moment_that_several_listings_have_passed(
    memory: Memory, clock: Clock
) -> None:
    assert memory.history_from() == NOW - FIRST_LOOK
    for _ in range(USES):
        assert memory.history_from() <= NOW - OVERLAP
        memory.listed(clock.wait(timedelta(days=1)))
    first = NOW + timedelta(days=1)
    for _ in range(USES):
        assert memory.history_from() == first - OVERLAP
        memory.listed(clock.wait(timedelta(days=1)))
    assert memory.history_from() == first + timedelta(days=USES - 1) - OVERLAP
    assert memory.listed_at() == clock.now


def test_every_moment_is_covered_by_several_listings(memory: Memory, clock: Clock) -> None:
    began = []
    for _ in range(4 * USES):
        began.append(memory.history_from())
        memory.listed(clock.wait(timedelta(minutes=2)))
    for n in range(2 * USES):
        ended_at = NOW + n * timedelta(minutes=2)
        assert sum(moment <= ended_at for moment in began[n:]) >= USES


def test_cancellations_are_remembered_in_bulk_and_forgotten(memory: Memory, clock: Clock) -> None:
    memory.cancelling(STAMPS)
    memory.cancelling(STAMPS[:10])
    assert memory.cancelled([*STAMPS, "f" * 32]) == set(STAMPS)
    clock.wait(KEEP_CANCELLATIONS + timedelta(days=1))
    memory.cancelling(["e" * 32])
    memory.tidied()
    assert memory.cancelled([*STAMPS, "e" * 32]) == {"e" * 32}


def test_another_ce_is_another_memory(memory: Memory, uow: UnitOfWork, clock: Clock) -> None:
    other = Memory("other", Means(uow=uow, home=Path("unused"), now=lambda: clock.now))
    memory.cancelling(STAMPS[:1])
    assert other.cancelled(STAMPS[:1]) == set()


def test_it_is_tidied_now_and_then(memory: Memory, clock: Clock) -> None:
    assert not memory.is_tidy()
    memory.tidied()
    assert memory.is_tidy()
    clock.wait(TIDY_EVERY)
    assert not memory.is_tidy()
