"""Counts and tallies follow every change of a pilot, and are exact at any moment."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text

from tests.expectations import statements
from tests.factories import MINUTE, NOW, a_ce, a_pilot, a_vo
from worker.db import ces, mover, pilot_reads, plain, retention, slots, tallies
from worker.db.history import steps
from worker.db.tables import new_tallies, pilots
from worker.db.tables import tallies as tally_table
from worker.db.uow import Transaction, UnitOfWork
from worker.domain.ce import CE
from worker.domain.pilot import Cause, Move, Status, Use
from worker.domain.tally import Grain
from worker.domain.vo import DEFAULT_VO

ALL = 10_000


def statuses(tx: Transaction) -> dict[Status, int]:
    """Count the pilots by status from their own rows."""
    query = select(pilots.c.status, func.count().label("pilots")).group_by(pilots.c.status)
    return {row.status: row.pilots for row in tx.execute(query)}


def sums(tx: Transaction, grain: Grain = Grain.MINUTE) -> Counter[tuple[str, str, str]]:
    """Add up the tallies of one grain."""
    table = tally_table.c
    query = select(table.was, table.became, table.cause, table.pilots).where(table.grain == grain)
    moves: Counter[tuple[str, str, str]] = Counter()
    for row in tx.execute(query):
        moves[row.was, row.became, row.cause] += row.pilots
    return moves


@pytest.mark.parametrize("is_folded", [False, True])
def test_every_status_is_counted_before_and_after_the_fold(
    uow: UnitOfWork, *, is_folded: bool
) -> None:
    with uow() as tx:
        ce, other = a_ce().with_capacity(100).create(tx), a_ce().create(tx)
        vo = a_vo().create(tx)
        for number, status in enumerate(Status, 1):
            a_pilot().on(ce).for_vo(vo).that_is(status).create_many(tx, number)
        a_pilot().on(other).running().create(tx)
    with uow() as tx:
        if is_folded:
            assert tallies.fold(tx, ALL) > 0
    with uow() as tx:
        assert pilot_reads.count_by_status(tx) == statuses(tx)
        assert plain.get_pilot_summary(tx)[Status.RUNNING] == 5
        assert pilot_reads.count_occupying(tx)[ce.name, Status.SUBMITTED] == 3
        assert slots.count_by_vo(tx)[vo.name] == (1 + 2 + 3 + 4, 1 + 2 + 3)
        assert tallies.differences(tx) == {}
        assert bool(tallies.count_new(tx)) is not is_folded


def test_a_change_by_bare_sql_is_counted_too(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().create(tx)
        first, second, third = a_pilot().on(ce).reserved().create_many(tx, 3)
        by_id = text("UPDATE pilots SET status = 'submitting' WHERE id = :id")
        tx.execute(by_id, {"id": first.id})
        tx.execute(text("DELETE FROM pilots WHERE id = :id"), {"id": second.id})

        assert pilot_reads.count_by_status(tx) == {Status.RESERVED: 1, Status.SUBMITTING: 1}
        assert tallies.differences(tx) == {}
        assert pilot_reads.get(tx, third.id).status is Status.RESERVED


def test_what_is_rolled_back_is_not_counted(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().create(tx)

    def fail() -> None:
        with uow() as tx:
            a_pilot().on(ce).reserved().create_many(tx, 3)
            assert pilot_reads.count_by_status(tx) == {Status.RESERVED: 3}
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with uow() as tx:
        assert pilot_reads.count_by_status(tx) == {}
        assert tallies.differences(tx) == {}


def test_a_thousand_pilots_that_move_at_once_append_one_row_for_each_ce_and_move(
    postgresql: UnitOfWork,
) -> None:
    with postgresql() as tx:
        places = [a_ce().with_capacity(500).create(tx) for _ in range(2)]
        ids = [p.id for ce in places for p in a_pilot().on(ce).submitted().create_many(tx, 500)]
        tallies.fold(tx, ALL)
        mover.move(tx, [Move(pilot_id=i, to=Status.RUNNING) for i in ids], NOW)

        assert tallies.count_new(tx) == len(places)


USE = {Status.DONE: "useful"}
"""The word in place of a cause for a pilot that ended well when nothing more is known."""


def test_the_tallies_say_what_the_history_says(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().create(tx)
        for status in Status:
            a_pilot().on(ce).that_is(status).create_many(tx, 2)
        tallies.fold(tx, ALL)
        history = tx.execute(steps()).mappings()

        assert sums(tx) == Counter(
            (step["was"] or "", step["became"], step["cause"] or USE.get(step["became"], ""))
            for step in history
        )


def test_a_closer_cause_replaces_the_one_that_was_counted(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().create(tx)
        pilot = a_pilot().on(ce).failed(Cause.UNKNOWN).create(tx)
        mover.refine(tx, {pilot.id: Cause.NODE})
        tallies.fold(tx, ALL)
        by_cause: Counter[str] = Counter()
        for (_, became, cause), number in sums(tx).items():
            by_cause[cause] += number if became == "failed" else 0

        assert {cause: n for cause, n in by_cause.items() if n} == {"node": 1}
        assert pilot_reads.count_by_status(tx) == {Status.FAILED: 1}


def test_the_seconds_are_those_of_the_pilots(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().create(tx)
        pilot = a_pilot().on(ce).at(NOW).submitted().create(tx)
        start, end = NOW + 2 * MINUTE, NOW + 12 * MINUTE
        to_running = Move(pilot_id=pilot.id, to=Status.RUNNING, started_at=start)
        mover.move(tx, [to_running], start)
        to_submitted = Move(pilot_id=pilot.id, to=Status.SUBMITTED)
        mover.move(tx, [to_submitted], start)
        mover.move(tx, [to_running], start)
        mover.move(tx, [Move(pilot_id=pilot.id, to=Status.DONE, ended_at=end)], end)
        tallies.fold(tx, ALL)
        table = tally_table.c
        names = ("starts", "seconds_to_start", "seconds_run")
        totals = tx.execute(select(*(func.sum(table[name]) for name in names))).one()

    assert tuple(totals) == pytest.approx((1, 120, 600), abs=0.01)


def test_tallies_outlive_the_pilots_and_the_counts_do_not(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().create(tx)
        a_pilot().on(ce).at(NOW).done().create_many(tx, 3)
        tallies.fold(tx, ALL)
        assert retention.remove(tx, "pilots", NOW + timedelta(days=400), 10) == 3

        assert pilot_reads.count_by_status(tx) == {}
        tallies.fold(tx, ALL)
        assert pilot_reads.count_by_status(tx) == {}
        assert sums(tx)["running", "done", "useful"] == 3


def test_good_ends_are_counted_by_use_whether_they_are_folded_or_not(uow: UnitOfWork) -> None:
    with uow() as tx:
        lyon, rome = (a_ce().named(name).with_capacity(20).create(tx) for name in ("lyon", "rome"))
        vo = a_vo().named("lhcb").create(tx)
        a_pilot().on(lyon).at(NOW - timedelta(hours=1)).done(Use.SHORT).create_many(tx, 4)
        for folds in (True, False):
            a_pilot().on(lyon).at(NOW).done(Use.SHORT).create_many(tx, 2)
            a_pilot().on(rome).for_vo(vo).at(NOW).done(Use.EMPTY).create(tx)
            a_pilot().on(rome).at(NOW).failed().create(tx)
            if folds:
                tallies.fold(tx, ALL)

        assert tallies.good_ends(tx, NOW - timedelta(minutes=30)) == {
            (DEFAULT_VO, "lyon", Use.SHORT): 4,
            ("lhcb", "rome", Use.EMPTY): 2,
        }
        assert tallies.good_ends(tx, NOW + timedelta(minutes=1)) == {}


def test_minutes_become_hours_and_days_without_a_loss(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().create(tx)
        for minute in range(0, 180, 20):
            a_pilot().on(ce).at(NOW + minute * MINUTE).reserved().create(tx)
        tallies.fold(tx, ALL)
        before = sums(tx)
        later = NOW + timedelta(days=1)
        assert tallies.coarsen(tx, Grain.MINUTE, Grain.HOUR, later, 4) == 4
        while tallies.coarsen(tx, Grain.MINUTE, Grain.HOUR, later, 4):
            pass
        hours = select(func.count()).where(tally_table.c.grain == Grain.HOUR)
        assert (tx.execute(hours).scalar_one(), sums(tx, Grain.HOUR)) == (3, before)
        assert tallies.coarsen(tx, Grain.HOUR, Grain.DAY, later, ALL) == 3

        assert sums(tx, Grain.DAY) == before


def test_what_is_said_of_a_ce_that_was_removed_is_dropped(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().create(tx)
        pilot = a_pilot().on(ce).cancelled().create(tx)
        tx.execute(text("DELETE FROM pilots WHERE id = :id"), {"id": pilot.id})
        ces.remove(tx, ce.name)
        tallies.fold(tx, ALL)

        assert tallies.count_new(tx) == 0
        assert tallies.differences(tx) == {}


def test_a_count_that_differs_is_named_and_mended(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().create(tx)
        a_pilot().on(ce).reserved().create(tx)
        tx.execute(new_tallies.delete())

        assert tallies.differences(tx) == {(ce.name, "default", Status.RESERVED): (0, 1)}
        assert tallies.recount(tx) != {}
        assert tallies.differences(tx) == {}
        assert pilot_reads.count_by_status(tx) == {Status.RESERVED: 1}


READS: list[Callable[[Transaction, CE], object]] = [
    lambda tx, ce: pilot_reads.count_by_status(tx),
    lambda tx, ce: pilot_reads.count_occupying(tx),
    lambda tx, ce: slots.available_ces(tx),
    lambda tx, ce: slots.count_by_vo(tx),
]


@pytest.mark.parametrize("count", READS)
def test_a_count_is_one_statement_that_reads_no_pilot(
    uow: UnitOfWork, count: Callable[[Transaction, CE], object]
) -> None:
    with uow() as tx:
        ce = a_ce().create(tx)
        a_pilot().on(ce).running().create_many(tx, 3)
    with uow() as tx, statements(uow.engine) as sql:
        assert count(tx, ce)

    assert len(sql) == 1
    assert "FROM pilots" not in sql[0]
    assert "JOIN pilots" not in sql[0]
