"""VOs: create, read, update, delete, list."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from tests.expectations import broken_by, refused
from tests.factories import NOW, a_ce, a_decision, a_pilot, a_schedule, a_vo
from worker.db import ces, decisions, schedules, vos
from worker.db.tables import vos as table
from worker.db.uow import Transaction, UnitOfWork
from worker.domain.errors import AlreadyExists, InUse, Invalid, UnknownVO
from worker.domain.vo import DEFAULT_VO, VO

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def names(tx: Transaction, **filters: object) -> list[str]:
    return [vo.name for vo in vos.find(tx, **filters).items]  # type: ignore[arg-type]


def test_the_default_vo_is_there_from_the_beginning(uow: UnitOfWork) -> None:
    with uow() as tx:
        vo = vos.get(tx, DEFAULT_VO)

    assert vo == VO(name=DEFAULT_VO, share=1.0, limit=None, demand=None, enabled=True)


def test_a_vo_is_read_back_as_it_was_added(uow: UnitOfWork) -> None:
    vo = VO(name="lhcb", share=0.25, limit=100, demand=7, enabled=False)
    with uow() as tx:
        vo_id = vos.add(tx, vo)
    with uow() as tx:
        result = vos.get(tx, "lhcb")

    assert result == vo
    assert result.id == vo_id


def test_what_is_not_named_in_a_change_stays(uow: UnitOfWork) -> None:
    with uow() as tx:
        before = a_vo().limited_to(100).demanding(7).create(tx)
    with uow() as tx:
        vos.change(tx, before.name, limit=None, share=3.0)
    with uow() as tx:
        after = vos.get(tx, before.name)

    assert after == VO(name=before.name, share=3.0, limit=None, demand=7)
    assert after.id == before.id


def test_a_vo_can_take_another_name_that_is_free(uow: UnitOfWork) -> None:
    with uow() as tx:
        a_vo().named("old").create(tx)
        a_vo().named("taken").create(tx)
    with refused(AlreadyExists, "taken"), uow() as tx:
        vos.change(tx, "old", name="taken")
    with uow() as tx:
        vos.change(tx, "old", name="new")
    with uow() as tx:
        assert names(tx) == [DEFAULT_VO, "new", "taken"]


def test_a_change_to_something_impossible_changes_nothing(uow: UnitOfWork) -> None:
    with uow() as tx:
        vo = a_vo().create(tx)
    with refused(Invalid, "limit", "-1"), uow() as tx:
        vos.change(tx, vo.name, limit=-1)
    with uow() as tx:
        assert vos.get(tx, vo.name) == vo


def test_a_name_is_taken_once(uow: UnitOfWork) -> None:
    with uow() as tx:
        a_vo().named("lhcb").create(tx)
    with refused(AlreadyExists, "lhcb"), uow() as tx:
        a_vo().named("lhcb").create(tx)
    with uow() as tx:
        a_vo().named("LHCb").create(tx)


def test_a_vo_that_was_removed_is_gone(uow: UnitOfWork) -> None:
    with uow() as tx:
        vo = a_vo().create(tx)
    with uow() as tx:
        vos.remove(tx, vo.name)
    with refused(UnknownVO, vo.name), uow() as tx:
        vos.get(tx, vo.name)


@pytest.mark.parametrize("operation", ["get", "change", "remove"])
def test_an_unknown_vo_is_named(uow: UnitOfWork, operation: str) -> None:
    with refused(UnknownVO, "nobody"), uow() as tx:
        getattr(vos, operation)(tx, "nobody")


def test_a_vo_with_pilots_is_not_removed_not_even_final_ones(uow: UnitOfWork) -> None:
    with uow() as tx:
        vo = a_vo().create(tx)
        a_pilot().for_vo(vo).done().create(tx)
    with refused(InUse, vo.name, "it has pilots"), uow() as tx:
        vos.remove(tx, vo.name)
    with uow() as tx:
        assert vos.get(tx, vo.name) == vo


def test_the_vo_that_is_meant_by_default_cannot_be_removed_or_renamed(uow: UnitOfWork) -> None:
    with refused(InUse, DEFAULT_VO), uow() as tx:
        vos.remove(tx, DEFAULT_VO)
    with refused(InUse, DEFAULT_VO), uow() as tx:
        vos.change(tx, DEFAULT_VO, name="other")
    with uow() as tx:
        assert names(tx) == [DEFAULT_VO]


def test_what_describes_a_vo_goes_with_it(uow: UnitOfWork) -> None:
    with uow() as tx:
        vo, other = a_vo().create(tx), a_vo().create(tx)
        ce = a_ce().only_for(vo, other).create(tx)
        a_schedule().of("submit_pilots").for_vo(vo).create(tx)
        a_decision().for_vo(vo).on(ce).create(tx)
        a_decision().for_vo(other).on(ce).create(tx)
    with uow() as tx:
        vos.remove(tx, vo.name)
    with uow() as tx:
        assert ces.allowed(tx, ce.name) == [other.name]
        assert schedules.get_all(tx) == []
        assert [decision.vo for decision in decisions.find(tx).items] == [other.name]


def test_vos_are_listed_by_state_and_by_part_of_their_name(uow: UnitOfWork) -> None:
    with uow() as tx:
        a_vo().named("LHCb").create(tx)
        a_vo().named("belle").disabled().create(tx)
    with uow() as tx:
        assert names(tx) == sorted(["LHCb", "belle", DEFAULT_VO])
        assert names(tx, enabled=False) == ["belle"]
        assert names(tx, enabled=True) == sorted(["LHCb", DEFAULT_VO])
        assert names(tx, search="lhc") == ["LHCb"]
        assert names(tx, search="EL") == ["belle"]
        assert names(tx, search="el", enabled=True) == []


def test_what_was_rolled_back_was_never_there(uow: UnitOfWork) -> None:
    with uow() as tx:
        vo = a_vo().create(tx)
    with broken_by(ZeroDivisionError), uow() as tx:
        a_vo().create(tx)
        vos.change(tx, vo.name, limit=1)
        raise ZeroDivisionError
    with uow() as tx:
        assert [one for one in vos.find(tx).items if one.name != DEFAULT_VO] == [vo]


@pytest.mark.parametrize("by_hand", [False, True])
def test_every_update_is_dated_whoever_makes_it(uow: UnitOfWork, by_hand: bool) -> None:
    with uow() as tx:
        vo = a_vo().create(tx)
        # The value that a statement sets itself is kept.
        tx.execute(table.update().values(updated_at=LONG_AGO))
    with uow() as tx:
        dates = set(tx.execute(table.select().with_only_columns(table.c.updated_at)).scalars())
    with uow() as tx:
        if by_hand:
            tx.execute(text("UPDATE vos SET share = 2 WHERE name = :name"), {"name": vo.name})
        else:
            vos.change(tx, vo.name, share=2.0)
    with uow() as tx:
        after = {row.name: row.updated_at for row in tx.execute(table.select())}

    assert dates == {LONG_AGO}
    assert after[DEFAULT_VO] == LONG_AGO
    assert after[vo.name] > LONG_AGO
    assert after[vo.name].tzinfo is UTC


def test_a_vo_is_dated_when_it_is_made(uow: UnitOfWork) -> None:
    with uow() as tx:
        a_vo().named("lhcb").create(tx)
    with uow() as tx:
        row = tx.execute(table.select().where(table.c.name == "lhcb")).one()

    assert row.created_at == row.updated_at
    assert row.created_at.tzinfo is UTC
    assert abs((datetime.now(UTC) - row.created_at).total_seconds()) < 60


def test_a_moment_without_a_time_zone_is_refused(uow: UnitOfWork) -> None:
    naive = NOW.replace(tzinfo=None)

    with broken_by(Exception, "no time zone"), uow() as tx:
        tx.execute(table.update().values(updated_at=naive))
