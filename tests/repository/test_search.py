"""Pilots are found by the id that a batch system gives them, their array or cluster of jobs."""

import pytest

from tests.expectations import statements
from tests.factories import a_ce, a_pilot
from worker.db import pilot_reads
from worker.db.uow import Transaction, UnitOfWork

HANDLES = ("2", "2_1", "2_17", "21_1", "12_1", "1234.0", "1234.10", "12345.0", "A_1", "a_1")


@pytest.fixture
def arrays(uow: UnitOfWork) -> UnitOfWork:
    """Pilots whose ids at their CE are alike."""
    with uow() as tx:
        ce = a_ce().with_capacity(len(HANDLES)).create(tx)
        for handle in HANDLES:
            a_pilot().on(ce).with_handle(handle).create(tx)
        a_pilot().reserved().create(tx)
    return uow


def by_handle(tx: Transaction, word: str) -> list[str | None]:
    return [pilot.handle for pilot in pilot_reads.find(tx, handle=word).items]


def by_search(tx: Transaction, word: str) -> list[str | None]:
    return [pilot.handle for pilot in pilot_reads.find(tx, search=word).items]


@pytest.mark.parametrize(
    ("word", "handles"),
    [
        ("2", ["2", "2_1", "2_17"]),
        ("2_", ["2_1", "2_17"]),
        ("2_1", ["2_1"]),
        ("1234", ["1234.0", "1234.10"]),
        ("1234.1", []),
        ("12", ["12_1"]),
        ("A", ["A_1"]),
        ("_", []),
        ("%", []),
        ("", list(HANDLES)),
    ],
)
def test_an_id_finds_its_pilot_and_that_of_an_array_all_of_the_array(
    arrays: UnitOfWork, word: str, handles: list[str]
) -> None:
    with arrays() as tx:
        if word:
            assert by_handle(tx, word) == handles
        matches = [handle for handle in by_search(tx, word) if handle]

    assert matches == handles


def test_one_id_names_one_pilot_and_no_array(arrays: UnitOfWork) -> None:
    with arrays() as tx:
        matches = pilot_reads.by_handle(tx, "2", None, 9)

    assert [pilot.handle for pilot in matches] == ["2"]


def test_no_planner_may_walk_the_whole_list_to_find_them(arrays: UnitOfWork) -> None:
    with arrays() as tx, statements(arrays.engine) as sql:
        by_handle(tx, "2")
        by_search(tx, "2")
        pilot_reads.by_handle(tx, "2", None, 9)

    assert [statement.count(" MATERIALIZED ") for statement in sql] == [1, 1, 1]
