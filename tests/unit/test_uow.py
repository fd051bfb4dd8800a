"""The unit of work: one visible `with`, one transaction."""

import logging
import threading
from collections.abc import Callable

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError

from tests.expectations import broken_by, refused
from tests.factories import a_vo
from tests.patience import wait_for
from worker.db import vos
from worker.db.database import Database
from worker.db.uow import Transaction, UnitOfWork, is_open
from worker.domain.errors import NestedUnitOfWork, SchemaBehind, UnknownVO

CHILD_WITHOUT_PARENT = """
CREATE TEMPORARY TABLE parent (id INTEGER PRIMARY KEY);
CREATE TEMPORARY TABLE child (
    parent_id INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED
);
INSERT INTO child VALUES (1)
"""


def names(uow: UnitOfWork) -> list[str]:
    with uow() as tx:
        return [vo.name for vo in vos.find(tx).items]


def test_a_clean_exit_commits(uow: UnitOfWork) -> None:
    with uow() as tx:
        a_vo().named("lhcb").create(tx)

    assert names(uow) == ["default", "lhcb"]


def test_an_exception_rolls_back_and_goes_on(uow: UnitOfWork) -> None:
    with broken_by(ZeroDivisionError), uow() as tx:
        a_vo().create(tx)
        raise ZeroDivisionError

    assert names(uow) == ["default"]


def test_an_interruption_rolls_back_too(uow: UnitOfWork) -> None:
    with broken_by(KeyboardInterrupt), uow() as tx:
        a_vo().create(tx)
        raise KeyboardInterrupt

    assert names(uow) == ["default"]


def test_units_of_work_do_not_nest(uow: UnitOfWork) -> None:
    steps: list[str] = []
    with uow() as tx:
        a_vo().named("lhcb").create(tx)
        with refused(NestedUnitOfWork), uow():
            steps.append("it nested")

    assert steps == []
    assert names(uow) == ["default", "lhcb"]


def test_two_databases_do_not_nest_either(sqlite: UnitOfWork) -> None:
    other = UnitOfWork(create_engine("sqlite://"))

    with sqlite(), refused(NestedUnitOfWork), other():
        pytest.fail("it nested")


def test_one_can_ask_whether_a_unit_of_work_is_open(sqlite: UnitOfWork) -> None:
    before = is_open()
    with sqlite():
        within = is_open()
    with broken_by(ZeroDivisionError), sqlite():
        raise ZeroDivisionError

    assert (before, within, is_open()) == (False, True, False)


def test_it_is_usable_again_after_an_error(uow: UnitOfWork) -> None:
    with broken_by(IntegrityError), uow() as tx:
        tx.execute(text("INSERT INTO vos (name, share) VALUES ('broken', -1)"))
    with refused(SchemaBehind, "nonexistent"), uow() as tx:
        tx.execute(text("SELECT * FROM nonexistent"))
    with uow() as tx:
        a_vo().named("lhcb").create(tx)

    assert names(uow) == ["default", "lhcb"]


def test_work_for_after_the_commit_runs_after_it_in_order(uow: UnitOfWork) -> None:
    calls: list[object] = []
    with uow() as tx:
        a_vo().named("lhcb").create(tx)
        tx.after_commit(lambda: calls.append(is_open()))
        tx.after_commit(lambda: calls.append(names(uow)))
        before = list(calls)

    assert before == []
    assert calls == [False, ["default", "lhcb"]]


def test_work_for_after_the_commit_never_runs_on_a_rollback(uow: UnitOfWork) -> None:
    calls: list[str] = []
    with broken_by(ZeroDivisionError), uow() as tx:
        tx.after_commit(lambda: calls.append("sent"))
        raise ZeroDivisionError

    assert calls == []


def test_work_for_after_the_commit_never_runs_when_the_commit_itself_fails(
    database: Database,
) -> None:
    calls: list[str] = []
    with broken_by(IntegrityError), database.uow() as tx:
        a_vo().named("lhcb").create(tx)
        for statement in CHILD_WITHOUT_PARENT.split(";"):
            tx.execute(text(statement))
        tx.after_commit(lambda: calls.append("sent"))

    assert calls == []
    assert not is_open()
    assert names(database.uow) == ["default"]


def test_work_that_fails_stops_no_other_and_is_logged(
    uow: UnitOfWork, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[str] = []

    def fail() -> None:
        raise ZeroDivisionError

    with caplog.at_level(logging.ERROR), uow() as tx:
        a_vo().named("lhcb").create(tx)
        tx.after_commit(fail)
        tx.after_commit(lambda: calls.append("sent"))

    assert calls == ["sent"]
    assert names(uow) == ["default", "lhcb"]
    assert "the commit stands" in caplog.text


def test_an_error_of_ours_passes_as_it_is(uow: UnitOfWork) -> None:
    with refused(UnknownVO, "nobody"), uow() as tx:
        vos.get(tx, "nobody")


def in_a_thread(work: Callable[[], object]) -> list[object]:
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    wait_for(thread)
    return results


def test_threads_are_independent_of_each_other(postgresql_database: Database) -> None:
    uow = postgresql_database.uow

    with uow() as tx:
        a_vo().named("mine").create(tx)
        elsewhere = in_a_thread(is_open)
        results = in_a_thread(lambda: names(uow))

    assert elsewhere == [False]
    assert results == [["default"]]
    assert names(uow) == ["default", "mine"]


def test_a_transaction_knows_its_database(uow: UnitOfWork, request: pytest.FixtureRequest) -> None:
    with uow() as tx:
        assert isinstance(tx, Transaction)
        assert tx.dialect == request.node.callspec.params["uow"]
