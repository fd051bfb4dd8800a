"""Moves of pilots: every legal move works and is recorded, and no other happens."""

import threading
from dataclasses import replace

import pytest
from sqlalchemy import select, text

from tests.expectations import broken_by, refused
from tests.factories import MINUTE, NOW, a_ce, a_pilot, a_vo
from tests.patience import until, wait_for
from worker.db import mover, pilot_reads, retention
from worker.db.database import Database
from worker.db.mover import Moved
from worker.db.pages import PageRequest
from worker.db.tables import pilots
from worker.db.uow import Transaction, UnitOfWork
from worker.domain.errors import UnknownCE, UnknownPilot
from worker.domain.pilot import FINAL, MOVES, Cause, Move, Pilot, Status

LATER = NOW + MINUTE
LATEST = NOW + 2 * MINUTE


def move(tx: Transaction, pilot: Pilot, to: Status, **observations: object) -> Moved:
    return mover.move(tx, [Move(pilot_id=pilot.id, to=to, **observations)], LATER)  # type: ignore[arg-type]


@pytest.mark.parametrize("was", list(Status))
def test_every_legal_move_is_made_and_every_other_refused(uow: UnitOfWork, was: Status) -> None:
    with uow() as tx:
        ce = a_ce().create(tx)
        alike = a_pilot().on(ce).that_is(was).create_many(tx, 8)
        before = dict(zip(Status, alike, strict=True))
    with uow() as tx:
        moves = [Move(pilot_id=pilot.id, to=to) for to, pilot in before.items()]
        result = mover.move(tx, moves, LATER)
    with uow() as tx:
        after = {to: pilot_reads.get(tx, pilot.id) for to, pilot in before.items()}
        lengths = {to: len(pilot_reads.history(tx, pilot.id)) for to, pilot in before.items()}
        last = {to: pilot_reads.history(tx, pilot.id)[-1] for to, pilot in before.items()}

    legal = MOVES[was]
    assert result.moved == {before[to].id for to in legal}
    assert result.refused == {before[to].id for to in set(Status) - legal}
    for to in Status:
        if to in legal:
            assert after[to].status is to
            assert (last[to].was, last[to].became, last[to].at) == (was, to, LATER)
        else:
            assert after[to] == before[to]
            assert last[to].became is was
    steps = {to: 1 if to in legal else 0 for to in Status}
    base = min(lengths.values())
    assert lengths == {to: base + step for to, step in steps.items()}


def test_pilots_from_everywhere_move_to_everywhere_in_one_call(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().with_capacity(64).create(tx)
        before = {
            (was, to): pilot
            for was in Status
            for to, pilot in zip(
                Status, a_pilot().on(ce).that_is(was).create_many(tx, 8), strict=True
            )
        }
    with uow() as tx:
        moves = [Move(pilot_id=pilot.id, to=to) for (_, to), pilot in before.items()]
        result = mover.move(tx, moves, LATER)
    with uow() as tx:
        after = {pair: pilot_reads.get(tx, pilot.id).status for pair, pilot in before.items()}

    legal = {(was, to) for was, targets in MOVES.items() for to in targets}
    assert result.moved == {before[pair].id for pair in legal}
    assert result.refused == {pilot.id for pair, pilot in before.items() if pair not in legal}
    assert after == {(was, to): to if (was, to) in legal else was for was, to in before}


def test_what_was_seen_is_written_to_the_pilot_and_its_history(uow: UnitOfWork) -> None:
    with uow() as tx:
        pilot = a_pilot().running().with_handle("4711").create(tx)
    with uow() as tx:
        move(
            tx,
            pilot,
            Status.FAILED,
            cause=Cause.OUT_OF_MEMORY,
            raw="OUT_OF_MEMORY",
            reason="it wanted 3 GB",
            exit_code=137,
            started_at=NOW - MINUTE,
            ended_at=NOW + MINUTE / 2,
        )
    with uow() as tx:
        after, step = pilot_reads.get(tx, pilot.id), pilot_reads.history(tx, pilot.id)[-1]

    assert (after.status, after.cause, after.exit_code) == (
        Status.FAILED,
        Cause.OUT_OF_MEMORY,
        137,
    )
    assert (after.raw, after.reason) == ("OUT_OF_MEMORY", "it wanted 3 GB")
    assert (after.started_at, after.ended_at) == (NOW - MINUTE, NOW + MINUTE / 2)
    assert (after.next_check_at, after.updated_at) == (None, LATER)
    assert (step.cause, step.raw, step.reason) == (after.cause, after.raw, after.reason)
    assert step.at == LATER


def test_the_times_of_a_life_are_those_at_which_it_happened(uow: UnitOfWork) -> None:
    with uow() as tx:
        pilot = a_pilot().reserved().create(tx)
    for n, status in enumerate([Status.SUBMITTING, Status.SUBMITTED, Status.RUNNING, Status.DONE]):
        with uow() as tx:
            mover.move(tx, [Move(pilot_id=pilot.id, to=status)], NOW + (n + 1) * MINUTE)
    with uow() as tx:
        after = pilot_reads.get(tx, pilot.id)
        history = pilot_reads.history(tx, pilot.id)

    assert [
        after.reserved_at,
        after.claimed_at,
        after.submitted_at,
        after.started_at,
        after.ended_at,
    ] == [NOW + n * MINUTE for n in range(5)]
    assert [t.at for t in history] == [NOW + n * MINUTE for n in range(5)]
    assert [t.was for t in history] == [None, *[t.became for t in history[:-1]]]
    assert after.updated_at == NOW + 4 * MINUTE
    assert all(moment.tzinfo is not None for moment in [after.reserved_at, history[0].at])


@pytest.mark.parametrize("to", [Status.RUNNING, Status.DONE])
def test_a_pilot_that_was_seen_ahead_of_its_receipt_counts_as_submitted(
    uow: UnitOfWork, to: Status
) -> None:
    with uow() as tx:
        pilot = a_pilot().submitting().create(tx)
    with uow() as tx:
        move(tx, pilot, to, handle="4711")
    with uow() as tx:
        after = pilot_reads.get(tx, pilot.id)

    assert (after.status, after.handle, after.submitted_at) == (to, "4711", LATER)


def test_a_requeue_is_counted_and_the_pilot_waits_again(uow: UnitOfWork) -> None:
    with uow() as tx:
        pilot = a_pilot().running().create(tx)
    with uow() as tx:
        move(tx, pilot, Status.SUBMITTED)
    with uow() as tx:
        before = pilot_reads.get(tx, pilot.id)
        mover.move(tx, [Move(pilot_id=pilot.id, to=Status.RUNNING)], LATEST)
    with uow() as tx:
        after = pilot_reads.get(tx, pilot.id)

    assert (before.requeues, before.started_at, before.submitted_at) == (1, None, NOW)
    assert (after.requeues, after.started_at, after.submitted_at) == (1, LATEST, NOW)


@pytest.mark.parametrize("to", sorted(MOVES[Status.LOST]))
def test_a_lost_pilot_that_turns_up_is_taken_back_as_what_it_is(
    uow: UnitOfWork, to: Status
) -> None:
    with uow() as tx:
        # Another pilot has got its slot meanwhile; it is taken back all the same.
        ce = a_ce().with_capacity(1).create(tx)
        pilot = a_pilot().on(ce).lost().create(tx)
        a_pilot().on(ce).running().create(tx)
    with uow() as tx:
        result = move(tx, pilot, to)
    with uow() as tx:
        after = pilot_reads.get(tx, pilot.id)

    assert result.moved == {pilot.id}
    assert after.status is to
    assert (after.ended_at is not None) == (to in FINAL)
    assert (after.next_check_at is not None) == (to not in FINAL)
    assert (after.misses, after.missing_since) == (0, None)


def test_a_pilot_that_leaves_a_failure_behind_has_no_cause(uow: UnitOfWork) -> None:
    with uow() as tx:
        pilot = a_pilot().lost().create(tx)
        move(tx, pilot, Status.FAILED, cause=Cause.NODE)
    with uow() as tx:
        assert pilot_reads.get(tx, pilot.id).cause is Cause.NODE


def test_a_final_pilot_is_never_due(uow: UnitOfWork) -> None:
    with uow() as tx:
        pilot = a_pilot().running().create(tx)
        move(tx, pilot, Status.DONE, next_check_at=LATER)
    with uow() as tx:
        assert pilot_reads.get(tx, pilot.id).next_check_at is None
        assert pilot_reads.due(tx, pilot.ce, LATEST, 10) == []


def test_one_pilot_makes_one_move_at_a_time(uow: UnitOfWork) -> None:
    with uow() as tx:
        pilot = a_pilot().submitted().create(tx)
    step = Move(pilot_id=pilot.id, to=Status.RUNNING)

    with broken_by(ValueError, "one move at a time"), uow() as tx:
        mover.move(tx, [step, replace(step, to=Status.DONE)], LATER)
    with uow() as tx:
        assert pilot_reads.get(tx, pilot.id) == pilot


def test_no_moves_are_no_moves(uow: UnitOfWork) -> None:
    with uow() as tx:
        assert mover.move(tx, [], NOW) == Moved(moved=frozenset(), refused=frozenset())


def test_moves_that_are_rolled_back_leave_no_history(uow: UnitOfWork) -> None:
    with uow() as tx:
        pilot = a_pilot().submitted().create(tx)
    with broken_by(ZeroDivisionError), uow() as tx:
        move(tx, pilot, Status.RUNNING)
        raise ZeroDivisionError
    with uow() as tx:
        assert pilot_reads.get(tx, pilot.id) == pilot
        assert pilot_reads.history(tx, pilot.id)[-1].became is Status.SUBMITTED


@pytest.mark.parametrize("field", ["started_at", "ended_at", "next_check_at"])
def test_a_moment_without_a_time_zone_is_refused(uow: UnitOfWork, field: str) -> None:
    with uow() as tx:
        pilot = a_pilot().submitted().create(tx)
    with broken_by(ValueError, "no time zone"), uow() as tx:
        move(tx, pilot, Status.RUNNING, **{field: NOW.replace(tzinfo=None)})
    with broken_by(Exception, "no time zone"), uow() as tx:
        steps = [Move(pilot_id=pilot.id, to=Status.RUNNING)]
        mover.move(tx, steps, NOW.replace(tzinfo=None))
    with uow() as tx:
        assert pilot_reads.get(tx, pilot.id) == pilot


def test_an_unknown_pilot_is_named(uow: UnitOfWork) -> None:
    with refused(UnknownPilot, "4711"), uow() as tx:
        pilot_reads.get(tx, 4711)


def test_pilots_are_found_by_their_stamps(uow: UnitOfWork) -> None:
    with uow() as tx:
        batch = a_pilot().create_many(tx, 3)
    with uow() as tx:
        result = pilot_reads.by_stamps(tx, [batch[0].stamp, batch[2].stamp, "f" * 32])

        assert result == {pilot.stamp: pilot for pilot in (batch[0], batch[2])}
        assert pilot_reads.by_stamps(tx, []) == {}


def test_pilots_are_listed_by_all_that_is_known_of_them(uow: UnitOfWork) -> None:
    with uow() as tx:
        vo, ce = a_vo().create(tx), a_ce().create(tx)
        mine = a_pilot().on(ce).for_vo(vo).running().create(tx)
        other = a_pilot().on(ce).done().create(tx)
        third = a_pilot().lost().create(tx)

    def ids(**filters: object) -> list[int]:
        with uow() as tx:
            return [pilot.id for pilot in pilot_reads.find(tx, **filters).items]  # type: ignore[arg-type]

    assert ids() == [mine.id, other.id, third.id]
    assert ids(ce=ce.name) == [mine.id, other.id]
    assert ids(vo=vo.name) == [mine.id]
    assert ids(statuses=[Status.RUNNING, Status.LOST]) == [mine.id, third.id]
    assert ids(ce=ce.name, statuses={Status.DONE}) == [other.id]
    assert ids(search=third.stamp[:20].upper()) == [third.id]
    assert ids(search=third.stamp[4:20]) == []
    assert ids(search="%") == []
    with refused(UnknownCE, "nowhere"):
        ids(ce="nowhere")
    assert ids(asked=PageRequest(sort="status")) == [mine.id]
    assert ids(asked=PageRequest(sort="ended_at")) == [other.id, third.id]


def test_the_history_goes_with_its_pilot_and_only_with_it(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().create(tx)
        old = a_pilot().on(ce).at(NOW - 100 * MINUTE).done().create_many(tx, 3)
        young = a_pilot().on(ce).done().create(tx)
        active = a_pilot().on(ce).at(NOW - 100 * MINUTE).running().create(tx)
    with uow() as tx:
        assert retention.remove(tx, "pilots", before=NOW - MINUTE, limit=2) == 2
    with uow() as tx:
        assert retention.remove(tx, "pilots", before=NOW - MINUTE, limit=2) == 1
        assert retention.remove(tx, "pilots", before=NOW - MINUTE, limit=2) == 0
    with uow() as tx:
        ids = [pilot.id for pilot in pilot_reads.find(tx).items]
        histories = [len(pilot_reads.history(tx, pilot.id)) for pilot in [*old, young, active]]

    assert ids == [young.id, active.id]
    assert histories == [0, 0, 0, 5, 4]


def test_the_id_of_a_pilot_that_was_removed_is_never_given_to_another(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().create(tx)
        old = a_pilot().on(ce).done().create(tx)
        retention.remove(tx, "pilots", before=NOW + MINUTE, limit=10)
    with uow() as tx:
        new = a_pilot().on(ce).create(tx)

    assert new.id > old.id


def test_pilots_are_counted_by_status_and_by_whether_they_are_active(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().with_capacity(100).create(tx)
        for n, status in enumerate(Status):
            a_pilot().on(ce).that_is(status).create_many(tx, n + 1)
    with uow() as tx:
        assert pilot_reads.count_by_status(tx) == {status: n + 1 for n, status in enumerate(Status)}
        assert pilot_reads.count_active(tx) == 1 + 2 + 3 + 4


def test_a_refused_move_stays_refused_when_it_becomes_legal_in_the_same_moment(
    postgresql_database: Database,
) -> None:
    uow = postgresql_database.uow
    with uow() as tx:
        ce = a_ce().create(tx)
        running, submitted = (
            a_pilot().on(ce).running().create(tx),
            a_pilot().on(ce).submitted().create(tx),
        )
    # The one that runs already may not move to "running"; the other one may.
    steps = [Move(pilot_id=pilot.id, to=Status.RUNNING) for pilot in (running, submitted)]
    results: list[Moved] = []

    def run() -> None:
        with postgresql_database.uow() as tx:
            results.append(mover.move(tx, steps, LATEST))

    def is_waiting() -> bool:
        with postgresql_database.engine.connect() as connection:
            query = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
            return bool(connection.execute(query).scalar_one())

    runner = threading.Thread(target=run)
    with postgresql_database.engine.connect() as holder, holder.begin():
        # The statement has chosen its moves and waits for the lock of the second pilot.
        lock = select(pilots.c.id).where(pilots.c.id == submitted.id).with_for_update()
        holder.execute(lock).scalar_one()
        runner.start()
        until(is_waiting)
        with uow() as tx:
            move(tx, running, Status.SUBMITTED)
    wait_for(runner)
    with uow() as tx:
        after, history = pilot_reads.get(tx, running.id), pilot_reads.history(tx, running.id)

    assert results == [Moved(moved=frozenset({submitted.id}), refused=frozenset({running.id}))]
    assert after.status is Status.SUBMITTED
    assert history[-1].became is after.status
