"""Leases and allowances: who may call a CE now, and how often. Random runs are in `stateful`."""

from datetime import timedelta

from tests.factories import MINUTE, NOW
from worker.db import locks
from worker.db.uow import UnitOfWork

LATER = NOW + MINUTE


def test_a_lease_is_one_holder_s_until_it_ends(uow: UnitOfWork) -> None:
    with uow() as tx:
        assert locks.take_lease(tx, "ce:a", "one", NOW, MINUTE)
        assert locks.take_lease(tx, "ce:b", "two", NOW, MINUTE)
    with uow() as tx:
        assert not locks.take_lease(tx, "ce:a", "two", LATER - timedelta(seconds=1), MINUTE)
        assert locks.take_lease(tx, "ce:a", "one", NOW, MINUTE)
        assert locks.take_lease(tx, "ce:a", "two", LATER, MINUTE)


def test_a_lease_is_extended_and_given_back_by_its_holder_only(uow: UnitOfWork) -> None:
    with uow() as tx:
        locks.take_lease(tx, "ce:a", "one", NOW, MINUTE)
        assert not locks.extend_lease(tx, "ce:a", "two", NOW, 9 * MINUTE)
        assert not locks.release_lease(tx, "ce:a", "two")
        assert not locks.release_lease(tx, "ce:b", "one")
        assert locks.extend_lease(tx, "ce:a", "one", NOW, 9 * MINUTE)
    with uow() as tx:
        assert not locks.take_lease(tx, "ce:a", "two", LATER, MINUTE)
        assert locks.release_lease(tx, "ce:a", "one")
        assert locks.take_lease(tx, "ce:a", "two", NOW, MINUTE)


def test_what_was_rolled_back_was_never_taken(uow: UnitOfWork) -> None:
    try:
        with uow() as tx:
            locks.take_lease(tx, "ce:a", "one", NOW, MINUTE)
            locks.use_allowance(tx, "calls:a", 5, 5, NOW)
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    with uow() as tx:
        assert locks.take_lease(tx, "ce:a", "two", NOW, MINUTE)
        assert locks.use_allowance(tx, "calls:a", 5, 5, NOW) == 5


def test_an_allowance_grows_with_time_up_to_a_minute_s_rate(uow: UnitOfWork) -> None:
    with uow() as tx:
        assert locks.use_allowance(tx, "calls:a", 9, 6, NOW) == 6
        assert locks.use_allowance(tx, "calls:a", 1, 6, NOW) == 0
        assert locks.use_allowance(tx, "calls:b", 1, 6, NOW) == 1
    with uow() as tx:
        assert locks.use_allowance(tx, "calls:a", 9, 6, NOW + MINUTE / 2) == 3
        assert locks.use_allowance(tx, "calls:a", 9, 6, NOW + 99 * MINUTE) == 6
