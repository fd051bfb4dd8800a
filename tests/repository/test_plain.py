"""The plain operations. Each step has a transaction of its own: what is read was committed."""

import pytest

from tests.expectations import refused
from worker.db import plain
from worker.db.uow import UnitOfWork
from worker.domain.errors import IllegalMove, Invalid, NoFreeSlot, UnknownCE, UnknownPilot
from worker.domain.pilot import Status


def test_ces_that_were_added_are_available(uow: UnitOfWork) -> None:
    with uow() as tx:
        plain.add_ce(tx, "steady.example.org", capacity=5, success_rate=1.0)
        plain.add_ce(tx, "shaky.example.org", capacity=3, success_rate=0.3)
    with uow() as tx:
        rows = plain.get_available_ces(tx)

    assert [dict(row) for row in rows] == [
        {"name": "shaky.example.org", "capacity": 3, "success_rate": 0.3, "available_slots": 3},
        {"name": "steady.example.org", "capacity": 5, "success_rate": 1.0, "available_slots": 5},
    ]


def test_a_disabled_ce_is_not_available(uow: UnitOfWork) -> None:
    with uow() as tx:
        plain.add_ce(tx, "off", capacity=5, success_rate=1.0, enabled=False)
    with uow() as tx:
        rows = plain.get_available_ces(tx)

    assert rows == []


def test_a_pilot_that_was_submitted_is_found_as_submitted(uow: UnitOfWork) -> None:
    with uow() as tx:
        plain.add_ce(tx, "ce", capacity=5, success_rate=1.0)
    with uow() as tx:
        pilot_id = plain.submit_pilot(tx, "ce")
    with uow() as tx:
        rows = plain.get_pilots_by_status(tx, Status.SUBMITTED)

    assert [(row["pilot_id"], row["ce_name"], row["status"]) for row in rows] == [
        (pilot_id, "ce", Status.SUBMITTED)
    ]
    assert rows[0]["submitted_at"].tzinfo is not None


def test_a_status_that_was_updated_is_read_back(uow: UnitOfWork) -> None:
    with uow() as tx:
        plain.add_ce(tx, "ce", capacity=5, success_rate=1.0)
    with uow() as tx:
        pilot_id = plain.submit_pilot(tx, "ce")
    with uow() as tx:
        plain.update_pilot_status(tx, pilot_id, Status.RUNNING)
    with uow() as tx:
        submitted = plain.get_pilots_by_status(tx, Status.SUBMITTED)
        running = plain.get_pilots_by_status(tx, Status.RUNNING)

    assert submitted == []
    assert [row["pilot_id"] for row in running] == [pilot_id]


def test_a_full_ce_is_available_again_when_one_of_its_pilots_is_done(uow: UnitOfWork) -> None:
    with uow() as tx:
        plain.add_ce(tx, "small", capacity=2, success_rate=1.0)
    with uow() as tx:
        plain.submit_pilot(tx, "small")
        plain.submit_pilot(tx, "small")
    with uow() as tx:
        full = plain.get_available_ces(tx)
    with uow() as tx:
        one = plain.get_pilots_by_status(tx, Status.SUBMITTED)[0]
        plain.update_pilot_status(tx, one["pilot_id"], Status.DONE)
    with uow() as tx:
        free = plain.get_available_ces(tx)

    assert full == []
    assert [(row["name"], row["available_slots"]) for row in free] == [("small", 1)]


def test_the_success_rate_is_read_back(uow: UnitOfWork) -> None:
    with uow() as tx:
        plain.add_ce(tx, "ce", capacity=5, success_rate=0.75)
    with uow() as tx:
        rate = plain.get_ce_success_rate(tx, "ce")

    assert rate == 0.75


def test_the_summary_counts_pilots_by_status(uow: UnitOfWork) -> None:
    with uow() as tx:
        plain.add_ce(tx, "ce", capacity=10, success_rate=1.0)
    with uow() as tx:
        ids = [plain.submit_pilot(tx, "ce") for _ in range(3)]
    with uow() as tx:
        plain.update_pilot_status(tx, ids[-1], Status.RUNNING)
    with uow() as tx:
        summary = plain.get_pilot_summary(tx)

    assert summary == {Status.SUBMITTED: 2, Status.RUNNING: 1}


def test_no_pilot_is_submitted_to_a_full_ce(uow: UnitOfWork) -> None:
    with uow() as tx:
        plain.add_ce(tx, "tiny", capacity=1, success_rate=1.0)
        plain.submit_pilot(tx, "tiny")
    with refused(NoFreeSlot, "tiny"), uow() as tx:
        plain.submit_pilot(tx, "tiny")
    with uow() as tx:
        summary = plain.get_pilot_summary(tx)

    assert summary == {Status.SUBMITTED: 1}


def test_a_final_pilot_does_not_run_again(uow: UnitOfWork) -> None:
    with uow() as tx:
        plain.add_ce(tx, "ce", capacity=1, success_rate=1.0)
        pilot_id = plain.submit_pilot(tx, "ce")
        plain.update_pilot_status(tx, pilot_id, Status.DONE)
    with refused(IllegalMove, f"pilot {pilot_id}", "done to running"), uow() as tx:
        plain.update_pilot_status(tx, pilot_id, Status.RUNNING)
    with uow() as tx:
        summary = plain.get_pilot_summary(tx)

    assert summary == {Status.DONE: 1}


def test_what_does_not_exist_is_named(uow: UnitOfWork) -> None:
    with refused(UnknownCE, "nowhere"), uow() as tx:
        plain.submit_pilot(tx, "nowhere")
    with refused(UnknownCE, "nowhere"), uow() as tx:
        plain.get_ce_success_rate(tx, "nowhere")
    with refused(UnknownPilot, "4711"), uow() as tx:
        plain.update_pilot_status(tx, 4711, Status.RUNNING)


@pytest.mark.parametrize(
    ("capacity", "success_rate", "message"),
    [(-1, 1.0, "-1 is below 0"), (1, 1.5, "1.5 is above 1"), (1, float("nan"), "not a number")],
)
def test_a_ce_of_impossible_numbers_is_not_added(
    uow: UnitOfWork, capacity: int, success_rate: float, message: str
) -> None:
    with refused(Invalid, message), uow() as tx:
        plain.add_ce(tx, "ce", capacity=capacity, success_rate=success_rate)
    with uow() as tx:
        rows = plain.get_available_ces(tx)

    assert rows == []
