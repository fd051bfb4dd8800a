"""Checks: which pilots are due, and what a check that changes no status leaves behind."""

from datetime import datetime

import pytest

from tests.expectations import broken_by
from tests.factories import MINUTE, NOW, a_ce, a_pilot, a_vo
from worker.db import mover, pilot_reads, pilots
from worker.db.uow import Transaction, UnitOfWork
from worker.domain.pilot import FINAL, Check, Move, Status

LATER = NOW + MINUTE


def ids_due(tx: Transaction, ce: str, now: datetime, limit: int) -> list[int]:
    return [pilot.id for pilot in pilot_reads.due(tx, ce, now, limit)]


def test_pilots_are_due_from_their_moment_on_the_most_overdue_first(uow: UnitOfWork) -> None:
    with uow() as tx:
        vo, ce = a_vo().create(tx), a_ce().create(tx)
        third = a_pilot().on(ce).due_at(NOW + 3 * MINUTE).create(tx)
        first = a_pilot().on(ce).for_vo(vo).running().due_at(NOW + MINUTE).create(tx)
        second = a_pilot().on(ce).due_at(NOW + 2 * MINUTE).create(tx)
        a_pilot().due_at(NOW).create(tx)
    with uow() as tx:
        assert ids_due(tx, ce.name, NOW, 10) == []
        assert ids_due(tx, ce.name, NOW + MINUTE, 10) == [first.id]
        assert ids_due(tx, ce.name, NOW + 3 * MINUTE, 10) == [first.id, second.id, third.id]
        assert ids_due(tx, ce.name, NOW + 3 * MINUTE, 2) == [first.id, second.id]
        assert pilot_reads.due(tx, "nowhere", NOW + 3 * MINUTE, 10) == []


@pytest.mark.parametrize("status", [Status.RESERVED, Status.SUBMITTING, *sorted(FINAL)])
def test_a_pilot_that_the_ce_does_not_have_is_not_due(uow: UnitOfWork, status: Status) -> None:
    with uow() as tx:
        pilot = a_pilot().that_is(status).due_at(NOW).create(tx)
    with uow() as tx:
        assert pilot_reads.due(tx, pilot.ce, NOW + 100 * MINUTE, 10) == []


def test_a_check_that_found_nothing_new_only_says_when_to_ask_again(uow: UnitOfWork) -> None:
    with uow() as tx:
        pilot = a_pilot().running().create(tx)
    with uow() as tx:
        pilots.checked(tx, [Check(pilot_id=pilot.id, next_check_at=LATER)], NOW)
    with uow() as tx:
        after = pilot_reads.get(tx, pilot.id)

    assert (after.status, after.attempts, after.misses) == (Status.RUNNING, 0, 0)
    assert (after.checked_at, after.next_check_at) == (NOW, LATER)


def test_a_check_writes_no_history(uow: UnitOfWork) -> None:
    with uow() as tx:
        pilot = a_pilot().running().create(tx)
        before = pilot_reads.history(tx, pilot.id)
    with uow() as tx:
        pilots.checked(tx, [Check(pilot_id=pilot.id, next_check_at=LATER, missing=True)], NOW)
    with uow() as tx:
        assert pilot_reads.history(tx, pilot.id) == before


def test_answers_without_the_pilot_are_counted_from_the_first_on(uow: UnitOfWork) -> None:
    with uow() as tx:
        pilot = a_pilot().create(tx)
    for n in range(3):
        with uow() as tx:
            miss = Check(pilot_id=pilot.id, next_check_at=LATER, missing=True)
            pilots.checked(tx, [miss], NOW + n * MINUTE)
    with uow() as tx:
        after = pilot_reads.get(tx, pilot.id)

    assert (after.status, after.misses, after.missing_since) == (Status.SUBMITTED, 3, NOW)
    assert after.checked_at == NOW + 2 * MINUTE


def test_an_answer_with_the_pilot_forgets_that_it_was_missing(uow: UnitOfWork) -> None:
    with uow() as tx:
        pilot = a_pilot().create(tx)
        pilots.checked(tx, [Check(pilot_id=pilot.id, next_check_at=LATER, missing=True)], NOW)
    with uow() as tx:
        pilots.checked(tx, [Check(pilot_id=pilot.id, next_check_at=LATER)], LATER)
    with uow() as tx:
        after = pilot_reads.get(tx, pilot.id)

    assert (after.misses, after.missing_since) == (0, None)


def test_no_answer_is_no_miss_and_forgets_none(uow: UnitOfWork) -> None:
    with uow() as tx:
        pilot = a_pilot().create(tx)
        pilots.checked(tx, [Check(pilot_id=pilot.id, next_check_at=LATER, missing=True)], NOW)
    for _ in range(2):
        with uow() as tx:
            silence = Check(pilot_id=pilot.id, next_check_at=LATER, answered=False)
            pilots.checked(tx, [silence], LATER)
    with uow() as tx:
        before = pilot_reads.get(tx, pilot.id)
        pilots.checked(tx, [Check(pilot_id=pilot.id, next_check_at=LATER, missing=True)], LATER)
    with uow() as tx:
        after = pilot_reads.get(tx, pilot.id)

    assert (before.attempts, before.misses, before.missing_since) == (2, 1, NOW)
    assert before.checked_at == NOW
    assert (after.attempts, after.misses, after.missing_since) == (0, 2, NOW)


def test_a_move_forgets_attempts_and_misses(uow: UnitOfWork) -> None:
    with uow() as tx:
        pilot = a_pilot().create(tx)
        pilots.checked(tx, [Check(pilot_id=pilot.id, next_check_at=LATER, missing=True)], NOW)
        pilots.checked(tx, [Check(pilot_id=pilot.id, next_check_at=LATER, answered=False)], NOW)
    with uow() as tx:
        mover.move(tx, [Move(pilot_id=pilot.id, to=Status.RUNNING)], LATER)
    with uow() as tx:
        after = pilot_reads.get(tx, pilot.id)

    assert (after.attempts, after.misses, after.missing_since) == (0, 0, None)


@pytest.mark.parametrize("status", [Status.RESERVED, *sorted(FINAL)])
def test_a_check_of_a_pilot_that_moved_meanwhile_leaves_it_alone(
    uow: UnitOfWork, status: Status
) -> None:
    with uow() as tx:
        pilot = a_pilot().that_is(status).create(tx)
    with uow() as tx:
        pilots.checked(tx, [Check(pilot_id=pilot.id, next_check_at=LATER, missing=True)], LATER)
    with uow() as tx:
        assert pilot_reads.get(tx, pilot.id) == pilot


def test_no_checks_are_no_checks(uow: UnitOfWork) -> None:
    with uow() as tx:
        pilots.checked(tx, [], NOW)


def test_a_moment_without_a_time_zone_is_refused(uow: UnitOfWork) -> None:
    with uow() as tx:
        pilot = a_pilot().create(tx)

    with broken_by(ValueError, "no time zone"), uow() as tx:
        naive = NOW.replace(tzinfo=None)
        pilots.checked(tx, [Check(pilot_id=pilot.id, next_check_at=naive)], NOW)


def test_what_the_ce_says_of_a_pilot_that_waits_stands_beside_its_status(uow: UnitOfWork) -> None:
    with uow() as tx:
        pilot, other = (a_pilot().submitted().create(tx) for _ in range(2))
        first = Check(pilot_id=pilot.id, next_check_at=LATER, raw="PENDING", reason="Resources")
        pilots.checked(tx, [first, Check(pilot_id=other.id, next_check_at=LATER)], NOW)
    with uow() as tx:
        # No answer, or one that says nothing, changes nothing; a new answer replaces the old one.
        silence = Check(pilot_id=pilot.id, next_check_at=LATER, answered=False)
        pilots.checked(tx, [silence], LATER)
        after = pilot_reads.get(tx, pilot.id)
        assert (after.status, after.raw, after.reason) == (Status.SUBMITTED, "PENDING", "Resources")
        assert pilot_reads.get(tx, other.id).raw == other.raw
        next_check = Check(pilot_id=pilot.id, next_check_at=LATER, raw="CONFIGURING")
        pilots.checked(tx, [next_check], LATER)
        after = pilot_reads.get(tx, pilot.id)
        assert (after.raw, after.reason) == ("CONFIGURING", None)


def test_a_check_that_was_judged_by_another_status_changes_nothing(uow: UnitOfWork) -> None:
    """A listing lacked a pilot in doubt, and meanwhile its receipt came."""
    with uow() as tx:
        pilot = a_pilot().on(a_ce().create(tx)).submitted().create(tx)
        doubt = Check(pilot_id=pilot.id, next_check_at=None, missing=True, was=Status.SUBMITTING)
        pilots.checked(tx, [doubt], LATER)
        assert pilot_reads.get(tx, pilot.id) == pilot
        pilots.checked(tx, [doubt._replace(was=Status.SUBMITTED)], LATER)
        assert pilot_reads.get(tx, pilot.id).misses == 1


def test_the_start_of_a_check_is_stored_and_stays_where_a_check_has_none(uow: UnitOfWork) -> None:
    with uow() as tx:
        pilot, other = a_pilot().on(a_ce().create(tx)).running().create_many(tx, 2)
        again = Check(pilot_id=pilot.id, next_check_at=LATER, was=Status.RUNNING, started_at=LATER)
        pilots.checked(tx, [again, Check(pilot_id=other.id, next_check_at=LATER)], NOW)
    with uow() as tx:
        assert pilot_reads.get(tx, pilot.id).started_at == LATER
        assert pilot_reads.get(tx, other.id).started_at == other.started_at
