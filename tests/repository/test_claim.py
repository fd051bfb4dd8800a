"""Claiming and recording: the intent is written before the CE is called, the answer after."""

import pytest

from tests.expectations import broken_by
from tests.factories import MINUTE, NOW, a_ce, a_pilot, a_vo
from worker.db import mover, pilot_reads, pilots
from worker.db.mover import Moved
from worker.db.pilots import receipt_move
from worker.db.uow import UnitOfWork
from worker.domain.pilot import Cause, Move, Status

LATER = NOW + MINUTE


def test_reserved_pilots_are_claimed_oldest_first_whatever_their_vo(uow: UnitOfWork) -> None:
    with uow() as tx:
        vo, ce = a_vo().create(tx), a_ce().create(tx)
        batch = [
            (a_pilot().on(ce).for_vo(vo) if n % 2 else a_pilot().on(ce)).reserved().create(tx)
            for n in range(5)
        ]
        a_pilot().reserved().create(tx)
    with uow() as tx:
        first = pilots.claim(tx, ce.name, 3, LATER)
    with uow() as tx:
        rest = pilots.claim(tx, ce.name, 3, LATER)
    with uow() as tx:
        none = pilots.claim(tx, ce.name, 3, LATER)

    assert [c.pilot_id for c in first + rest] == [pilot.id for pilot in batch]
    assert [(c.stamp, c.vo, c.ce) for c in first + rest] == [(p.stamp, p.vo, p.ce) for p in batch]
    assert len(first) == 3
    assert none == []


def test_a_claim_for_some_vos_leaves_the_pilots_of_others(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce, one, two, three = a_ce().create(tx), *(a_vo().create(tx) for _ in range(3))
        a_pilot().on(ce).for_vo(three).reserved().create(tx)
        wanted = [a_pilot().on(ce).for_vo(vo).reserved().create(tx) for vo in (one, two, one)]
    with uow() as tx:
        assert pilots.claim(tx, ce.name, 9, LATER, only_of=()) == []
        claimed = pilots.claim(tx, ce.name, 9, LATER, only_of={one.name, two.name})
        [left] = pilots.claim(tx, ce.name, 9, LATER)

    assert [one.pilot_id for one in claimed] == [pilot.id for pilot in wanted]
    assert left.vo == three.name


def test_a_claim_is_written_down_before_anything_is_sent(uow: UnitOfWork) -> None:
    with uow() as tx:
        pilot = a_pilot().reserved().create(tx)
    with uow() as tx:
        pilots.claim(tx, pilot.ce, 1, LATER)
    with uow() as tx:
        after, history = pilot_reads.get(tx, pilot.id), pilot_reads.history(tx, pilot.id)

    assert (after.status, after.claimed_at, after.submitted_at) == (Status.SUBMITTING, LATER, None)
    assert after.next_check_at is None
    assert [(t.was, t.became, t.at) for t in history[1:]] == [
        (Status.RESERVED, Status.SUBMITTING, LATER)
    ]


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.RESERVED}))
def test_only_reserved_pilots_are_claimed(uow: UnitOfWork, status: Status) -> None:
    with uow() as tx:
        pilot = a_pilot().that_is(status).create(tx)
    with uow() as tx:
        assert pilots.claim(tx, pilot.ce, 10, LATER) == []


def test_a_claim_that_was_rolled_back_can_be_made_again(uow: UnitOfWork) -> None:
    with uow() as tx:
        pilot = a_pilot().reserved().create(tx)
    with broken_by(ZeroDivisionError), uow() as tx:
        pilots.claim(tx, pilot.ce, 1, LATER)
        raise ZeroDivisionError
    with uow() as tx:
        [claim] = pilots.claim(tx, pilot.ce, 1, LATER)

    assert claim.stamp == pilot.stamp


def test_receipts_and_refusals_are_recorded_together(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().create(tx)
        first, second, third = a_pilot().on(ce).submitting().create_many(tx, 3)
    with uow() as tx:
        moves = pilots.record(
            tx,
            [
                receipt_move(
                    pilot_id=first.id, handle="4711", raw="PENDING", next_check_at=LATER + MINUTE
                ),
                receipt_move(
                    pilot_id=second.id,
                    refused=Cause.QUOTA,
                    raw="QOSMaxSubmitJob",
                    reason="too many of ours wait",
                ),
            ],
            LATER,
        )
    with uow() as tx:
        by_stamp = pilot_reads.by_stamps(tx, [first.stamp, second.stamp, third.stamp])

    one, two = by_stamp[first.stamp], by_stamp[second.stamp]
    assert moves == Moved(moved=frozenset({first.id, second.id}), refused=frozenset())
    assert (one.status, one.handle, one.raw) == (Status.SUBMITTED, "4711", "PENDING")
    assert (one.submitted_at, one.next_check_at) == (LATER, LATER + MINUTE)
    assert (two.status, two.cause, two.handle) == (Status.FAILED, Cause.QUOTA, None)
    assert (two.raw, two.reason) == ("QOSMaxSubmitJob", "too many of ours wait")
    assert (two.submitted_at, two.ended_at, two.next_check_at) == (None, LATER, None)
    assert by_stamp[third.stamp].status is Status.SUBMITTING


def test_a_receipt_without_a_time_for_the_check_is_due_at_once(uow: UnitOfWork) -> None:
    with uow() as tx:
        pilot = a_pilot().submitting().create(tx)
    with uow() as tx:
        pilots.record(tx, [receipt_move(pilot_id=pilot.id, handle="1")], LATER)
    with uow() as tx:
        assert [one.id for one in pilot_reads.due(tx, pilot.ce, LATER, 10)] == [pilot.id]


def test_a_receipt_that_comes_twice_is_refused_the_second_time(uow: UnitOfWork) -> None:
    with uow() as tx:
        pilot = a_pilot().submitting().create(tx)
    with uow() as tx:
        first = pilots.record(tx, [receipt_move(pilot_id=pilot.id, handle="1")], LATER)
    with uow() as tx:
        second = pilots.record(tx, [receipt_move(pilot_id=pilot.id, handle="2")], LATER + MINUTE)
    with uow() as tx:
        after = pilot_reads.get(tx, pilot.id)

    assert (len(first.moved), second.refused) == (1, frozenset({pilot.id}))
    assert (after.handle, after.submitted_at) == ("1", LATER)


def test_a_receipt_that_comes_late_does_not_send_a_running_pilot_back_to_wait(
    uow: UnitOfWork,
) -> None:
    # While its answer was on the way, the listing of the CE had shown the pilot as running.
    with uow() as tx:
        pilot = a_pilot().submitting().create(tx)
    with uow() as tx:
        mover.move(tx, [Move(pilot_id=pilot.id, to=Status.RUNNING, handle="1")], LATER)
    with uow() as tx:
        late = pilots.record(tx, [receipt_move(pilot_id=pilot.id, handle="1")], LATER + MINUTE)
    with uow() as tx:
        after = pilot_reads.get(tx, pilot.id)

    assert late.refused == {pilot.id}
    assert (after.status, after.requeues, after.started_at) == (Status.RUNNING, 0, LATER)


def test_a_receipt_for_nobody_is_refused(uow: UnitOfWork) -> None:
    with uow() as tx:
        moves = pilots.record(tx, [receipt_move(pilot_id=4711, handle="1")], NOW)

    assert moves == Moved(moved=frozenset(), refused=frozenset({4711}))


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "täglich 🚀",
        'it\'s "so" \\ %s :name {} \t\n',
        "a\x00b",
        "a\ud800b",
        "\x1b[31m",
        "x" * 10**5,
    ],
    ids=["empty", "unicode", "quotes", "nul", "surrogate", "escape", "long"],
)
def test_whatever_a_ce_says_is_recorded_and_harms_no_other_pilot(uow: UnitOfWork, raw: str) -> None:
    with uow() as tx:
        ce = a_ce().create(tx)
        strange, plain = a_pilot().on(ce).submitting().create_many(tx, 2)
    with uow() as tx:
        pilots.record(
            tx,
            [
                receipt_move(pilot_id=strange.id, handle="1", raw=raw, reason=raw),
                receipt_move(pilot_id=plain.id, handle="2", raw="PENDING"),
            ],
            LATER,
        )
    with uow() as tx:
        by_stamp = pilot_reads.by_stamps(tx, [strange.stamp, plain.stamp])
        step = pilot_reads.history(tx, strange.id)[-1]

    text = by_stamp[strange.stamp].raw
    assert {pilot.status for pilot in by_stamp.values()} == {Status.SUBMITTED}
    # What no database can store is replaced; everything else comes back as it was.
    if raw in ("a\x00b", "a\ud800b"):
        assert text in ("a\ufffdb", "a?b")
    else:
        assert text == raw
    assert step.raw == text
