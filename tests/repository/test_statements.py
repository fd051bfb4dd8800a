"""An operation on a thousand rows sends as many statements as the same on one."""

from collections.abc import Callable

import pytest

from tests.expectations import statements
from tests.factories import MINUTE, NOW, a_ce, a_pilot, a_vo
from worker.db import mover, pilot_reads, pilots, slots
from worker.db.pilots import receipt_move
from worker.db.uow import Transaction, UnitOfWork
from worker.domain.ce import CE
from worker.domain.pilot import Check, Grant, Move, Pilot, Status
from worker.domain.vo import DEFAULT_VO

Operation = Callable[[Transaction, CE, list[Pilot]], object]
LATER = NOW + MINUTE
ROWS = 1000


def reserve(tx: Transaction, ce: CE, batch: list[Pilot]) -> object:
    return pilots.reserve(tx, [Grant(vo=DEFAULT_VO, ce=ce.name, count=len(batch))], NOW)


def claim(tx: Transaction, ce: CE, batch: list[Pilot]) -> object:
    return pilots.claim(tx, ce.name, len(batch), NOW)


def record(tx: Transaction, ce: CE, batch: list[Pilot]) -> object:
    receipts = [
        receipt_move(pilot_id=p.id, handle=f"{ce.name}.{p.id}", raw="PENDING") for p in batch
    ]
    return pilots.record(tx, receipts, NOW).moved


def move(tx: Transaction, ce: CE, batch: list[Pilot]) -> object:
    return mover.move(tx, [Move(pilot_id=p.id, to=Status.RUNNING) for p in batch], NOW).moved


def due(tx: Transaction, ce: CE, batch: list[Pilot]) -> object:
    return pilot_reads.due(tx, ce.name, LATER, len(batch))


def check(tx: Transaction, ce: CE, batch: list[Pilot]) -> object:
    pilots.checked(tx, [Check(pilot_id=p.id, next_check_at=LATER) for p in batch], NOW)
    return batch


def by_stamps(tx: Transaction, ce: CE, batch: list[Pilot]) -> object:
    return pilot_reads.by_stamps(tx, [p.stamp for p in batch])


# The status of the pilots before each operation, and how many statements it may send.
OPERATIONS: list[tuple[Operation, Status, int]] = [
    (reserve, Status.DONE, 3),
    (claim, Status.RESERVED, 1),
    (record, Status.SUBMITTING, 2),
    (move, Status.SUBMITTED, 2),
    (due, Status.RUNNING, 1),
    (check, Status.RUNNING, 2),
    (by_stamps, Status.DONE, 1),
]


@pytest.mark.parametrize(("operation", "status", "most"), OPERATIONS)
def test_a_thousand_rows_take_as_many_statements_as_one(
    uow: UnitOfWork, operation: Operation, status: Status, most: int
) -> None:
    sql: dict[int, list[str]] = {}
    for number in (1, ROWS):
        with uow() as tx:
            ce = a_ce().with_capacity(ROWS).create(tx)
            batch = a_pilot().on(ce).that_is(status).create_many(tx, number)
        with uow() as tx, statements(uow.engine) as sql[number]:
            result = operation(tx, ce, batch)
        assert len(result) == number  # type: ignore[arg-type]

    assert len(sql[1]) == len(sql[ROWS]) <= most
    assert sql[1] == sql[ROWS]


def test_many_ces_and_vos_take_as_many_statements_as_one(uow: UnitOfWork) -> None:
    sql: dict[int, list[str]] = {}
    for number in (1, 50):
        with uow() as tx:
            owners = [a_vo().limited_to(1000).create(tx) for _ in range(number)]
            places = [a_ce().only_for(*owners).create(tx) for _ in range(number)]
        grants = [
            Grant(vo=vo.name, ce=ce.name, count=1) for vo, ce in zip(owners, places, strict=True)
        ]
        with uow() as tx, statements(uow.engine) as sql[number]:
            reservations = pilots.reserve(tx, grants, NOW)
        assert len(reservations) == number

    assert sql[1] == sql[50]
    assert len(sql[1]) == 3


def test_the_free_slots_of_all_ces_are_one_statement(uow: UnitOfWork) -> None:
    with uow() as tx:
        for _ in range(20):
            a_pilot().on(a_ce().create(tx)).create(tx)
    with uow() as tx, statements(uow.engine) as sql:
        rows = slots.available_ces(tx)

    assert (len(rows), len(sql)) == (20, 1)
