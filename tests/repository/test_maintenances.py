"""Maintenances: when CEs are known to be away."""

from tests.expectations import refused
from tests.factories import MINUTE, NOW, a_ce
from tests.records import a_maintenance
from worker.db import ces, maintenances, retention
from worker.db.uow import UnitOfWork
from worker.domain.errors import NotFound, UnknownCE

EARLIER, LATER = NOW - MINUTE, NOW + 9 * MINUTE


def test_a_maintenance_is_read_back_as_it_was_added(uow: UnitOfWork) -> None:
    with uow() as tx:
        maintenance = a_maintenance().because('täglich 🚀 it\'s "so"').create(tx)
    with uow() as tx:
        assert maintenances.find(tx, maintenance.ce, NOW) == [maintenance]


def test_those_that_are_not_over_are_listed_in_order(uow: UnitOfWork) -> None:
    with uow() as tx:
        here, there = a_ce().create(tx), a_ce().create(tx)
        later = a_maintenance().of(here).at(LATER).create(tx)
        first = a_maintenance().of(here).create(tx)
        other = a_maintenance().of(there).at(LATER).create(tx)
        a_maintenance().of(here).at(NOW - 2 * MINUTE).for_(MINUTE).create(tx)
    with uow() as tx:
        assert maintenances.find(tx, None, EARLIER) == [first, later, other]
        assert maintenances.find(tx, here.name, EARLIER) == [first, later]
        assert maintenances.find(tx, here.name, first.ends_at) == [later]
        with refused(UnknownCE, "nowhere"):
            maintenances.find(tx, "nowhere", NOW)


def test_a_ce_is_in_one_from_its_begin_to_before_its_end(uow: UnitOfWork) -> None:
    with uow() as tx:
        maintenance = a_maintenance().for_(MINUTE).create(tx)
        a_maintenance().at(LATER).create(tx)
    with uow() as tx:
        assert maintenances.current(tx, EARLIER) == {}
        assert maintenances.current(tx, NOW) == {maintenance.ce: maintenance}
        assert maintenances.current(tx, NOW + MINUTE) == {}


def test_one_is_removed_from_its_own_ce_only(uow: UnitOfWork) -> None:
    with uow() as tx:
        one, other = a_maintenance().create(tx), a_maintenance().create(tx)
    with uow() as tx, refused(NotFound, f"maintenance {one.id} of CE {other.ce}"):
        maintenances.remove(tx, other.ce, one.id)
    with uow() as tx:
        maintenances.remove(tx, one.ce, one.id)
    with uow() as tx:
        assert maintenances.find(tx, None, NOW) == [other]


def test_it_goes_with_its_ce_or_once_it_is_old(uow: UnitOfWork) -> None:
    with uow() as tx:
        first, second = a_maintenance().create(tx), a_maintenance().create(tx)
        a_maintenance().at(NOW - 9 * MINUTE).for_(MINUTE).create(tx)
    with uow() as tx:
        ces.remove(tx, first.ce)
        assert retention.remove(tx, "maintenances", before=NOW, limit=9) == 1
    with uow() as tx:
        assert maintenances.find(tx, None, NOW - 99 * MINUTE) == [second]
