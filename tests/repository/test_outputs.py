"""Outputs: the end of what pilots wrote."""

from tests.expectations import statements
from tests.factories import MINUTE, NOW, a_ce, a_pilot
from worker.db import outputs, retention
from worker.db.outputs import LONGEST, Kept
from worker.db.uow import UnitOfWork

TEXT = 'täglich 🚀\n\tit\'s "so" \\ %s :name\n'


def test_an_output_is_read_back_as_it_was_kept(uow: UnitOfWork) -> None:
    with uow() as tx:
        one, other = a_pilot().failed().create(tx), a_pilot().failed().create(tx)
        outputs.keep(tx, {one.id: TEXT}, NOW)
    with uow() as tx:
        assert outputs.get(tx, one.id) == Kept(text=TEXT, kept_at=NOW)
        assert outputs.get(tx, other.id) is None
        assert outputs.get(tx, 10**9) is None


def test_what_is_kept_stays_and_what_is_new_is_added(uow: UnitOfWork) -> None:
    with uow() as tx:
        one, other = a_pilot().failed().create(tx), a_pilot().failed().create(tx)
        outputs.keep(tx, {one.id: "first"}, NOW)
        outputs.keep(tx, {one.id: "second", other.id: "third"}, NOW + MINUTE)
    with uow() as tx:
        assert outputs.get(tx, one.id) == Kept(text="first", kept_at=NOW)
        assert outputs.get(tx, other.id) == Kept(text="third", kept_at=NOW + MINUTE)


def test_only_the_end_of_a_long_one_is_kept(uow: UnitOfWork) -> None:
    with uow() as tx:
        pilot = a_pilot().failed().create(tx)
        outputs.keep(tx, {pilot.id: "begin" + "x" * LONGEST + "end"}, NOW)
    with uow() as tx:
        output = outputs.get(tx, pilot.id)

    assert output is not None
    assert output.text == "x" * (LONGEST - 3) + "end"


def test_a_hundred_are_one_statement_and_none_is_no_statement(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().with_capacity(100).create(tx)
        batch = a_pilot().on(ce).failed().create_many(tx, 100)
    with uow() as tx, statements(uow.engine) as sql:
        outputs.keep(tx, {pilot.id: "text" for pilot in batch}, NOW)
        outputs.keep(tx, {}, NOW)
    with uow() as tx:
        assert all(outputs.get(tx, pilot.id) for pilot in batch)

    assert len(sql) == 1


def test_it_goes_with_its_pilot(uow: UnitOfWork) -> None:
    with uow() as tx:
        pilot = a_pilot().failed().create(tx)
        outputs.keep(tx, {pilot.id: "text"}, NOW)
    with uow() as tx:
        assert retention.remove(tx, "pilots", before=NOW + MINUTE, limit=9) == 1
    with uow() as tx:
        assert outputs.get(tx, pilot.id) is None
