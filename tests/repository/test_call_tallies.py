"""Calls to CEs are counted by minute, kind, outcome and length, and folded into longer times."""

from datetime import timedelta

from tests.expectations import statements
from tests.factories import MINUTE, NOW, a_ce
from worker.db import call_tallies, ces
from worker.db.tables import call_tallies as table
from worker.db.tables import call_totals
from worker.db.uow import UnitOfWork
from worker.domain.call_tally import Call, CallKind, CallOutcome, CallTally
from worker.domain.tally import Grain

POLL = Call(CallKind.POLL, CallOutcome.ANSWERED, 0.2)
LATE = Call(CallKind.POLL, CallOutcome.UNAVAILABLE, 30.5)


def test_calls_of_a_minute_are_added_up(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().create(tx).name
        call_tallies.add(tx, ce, [POLL, LATE], NOW)
        call_tallies.add(tx, ce, [POLL], NOW + timedelta(seconds=20))
        call_tallies.add(tx, ce, [POLL], NOW + MINUTE)

        tallies = call_tallies.of(tx, ce, NOW)

    assert [(one.begins_at, one.outcome, one.within, one.calls) for one in tallies] == [
        (NOW, CallOutcome.ANSWERED, 300, 2),
        (NOW, CallOutcome.UNAVAILABLE, 100_000, 1),
        (NOW + MINUTE, CallOutcome.ANSWERED, 300, 1),
    ]
    assert tallies[0].seconds == 0.4


def test_many_calls_are_two_statements(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().create(tx).name
        with statements(uow.engine) as sql:
            call_tallies.add(tx, ce, [POLL, LATE] * 50, NOW)

    assert len(sql) == 2


def test_a_ce_that_was_removed_has_nothing_to_count(uow: UnitOfWork) -> None:
    with uow() as tx:
        call_tallies.add(tx, "gone", [POLL], NOW)
        ce = a_ce().create(tx).name
        call_tallies.add(tx, ce, [POLL], NOW)
        ces.remove(tx, ce)

        assert tx.execute(table.select()).all() == []


def test_old_minutes_become_an_hour(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().create(tx).name
        for minute in range(3):
            call_tallies.add(tx, ce, [POLL, LATE], NOW + minute * MINUTE)

        count = call_tallies.coarsen(tx, Grain.MINUTE, Grain.HOUR, NOW + 2 * MINUTE, 100)

        hour = NOW.replace(minute=0, second=0)
        by_grain = sorted(
            (one.grain, one.begins_at, one.calls) for one in call_tallies.of(tx, ce, hour)
        )
    assert count == 4
    assert by_grain == [
        (Grain.HOUR, hour, 2),
        (Grain.HOUR, hour, 2),
        (Grain.MINUTE, NOW + 2 * MINUTE, 1),
        (Grain.MINUTE, NOW + 2 * MINUTE, 1),
    ]


def test_of_a_minute_that_was_begun_nothing_is_left_behind(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().create(tx).name
        call_tallies.add(tx, ce, [POLL, LATE], NOW)

        assert call_tallies.coarsen(tx, Grain.MINUTE, Grain.HOUR, NOW + MINUTE, 1) == 2
        assert {one.grain for one in call_tallies.of(tx, ce, NOW - 60 * MINUTE)} == {Grain.HOUR}


def test_a_tally_is_read_back_as_it_was_written(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().create(tx).name
        call_tallies.add(tx, ce, [LATE], NOW)

        assert call_tallies.of(tx, ce, NOW) == [
            CallTally(Grain.MINUTE, NOW, CallKind.POLL, CallOutcome.UNAVAILABLE, 100_000, 1, 30.5)
        ]


def test_all_calls_are_kept_as_a_total_when_minutes_are_folded_and_a_ce_is_removed(
    uow: UnitOfWork,
) -> None:
    with uow() as tx:
        ces_of_sim = [a_ce().create(tx).name for _ in range(2)]
        for ce in ces_of_sim:
            call_tallies.add(tx, ce, [POLL, POLL, LATE], NOW)
        total = call_tallies.totals(tx)
        call_tallies.coarsen(tx, Grain.MINUTE, Grain.HOUR, NOW + 2 * MINUTE, 100)
        ces.remove(tx, ces_of_sim[0])

        assert sorted(call_tallies.totals(tx)) == sorted(total)
        assert sorted(one[1:] for one in total) == [
            (CallKind.POLL, CallOutcome.ANSWERED, 300, 4, 800_000),
            (CallKind.POLL, CallOutcome.UNAVAILABLE, 100_000, 2, 61_000_000),
        ]
        assert tx.execute(call_totals.select()).all() != []
