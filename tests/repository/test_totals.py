"""Totals only grow, whatever is folded, deleted or removed, and say what the history says."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tests.factories import MINUTE, NOW, a_ce, a_pilot, a_vo
from worker.db import ces, mover, retention, tallies, totals
from worker.db.history import steps
from worker.db.tables import ce_totals, vo_totals
from worker.db.uow import Transaction, UnitOfWork
from worker.domain.pilot import Cause, Move, Status, Use
from worker.domain.tally import Grain, TotalCounts

ALL = 10_000
Counters = dict[tuple[Any, ...], TotalCounts]

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("make"), st.integers(0, 1), st.sampled_from(sorted(Status))),
        st.tuples(st.just("move"), st.integers(0, 30), st.sampled_from(sorted(Status))),
        st.tuples(st.just("refine"), st.integers(0, 30), st.sampled_from(sorted(Cause))),
        st.tuples(st.just("fold"), st.integers(1, 7), st.none()),
        st.tuples(st.just("coarsen"), st.sampled_from([1, ALL]), st.none()),
        st.tuples(st.just("prune"), st.integers(1, 5), st.none()),
    ),
    min_size=3,
    max_size=25,
)


def counters(tx: Transaction) -> Counters:
    """Read every counter that a monitoring system gets."""
    by_ce = {(one.ce, one.became, one.of_no_use): one.counts for one in totals.of_ces(tx)}
    by_vo = {tuple(one[:-1]): one.counts for one in totals.of_vos(tx)}
    return {**by_ce, **by_vo}


def test_they_are_what_the_history_says_before_and_after_a_fold(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().with_capacity(50).create(tx)
        for status in Status:
            a_pilot().on(ce).that_is(status).create_many(tx, 2)
        history = Counter(step["became"] for step in tx.execute(steps()).mappings())
        before = counters(tx)
        while tallies.fold(tx, 3):
            assert counters(tx) == before

        for rows in (totals.of_ces, totals.of_vos):
            sums: Counter[str] = Counter()
            for one in rows(tx):
                sums[one.became] += one.counts.pilots
            assert sums == history
        for table in (ce_totals, vo_totals):
            assert tx.execute(table.select()).all() != []


def test_a_start_that_is_repeated_or_corrected_takes_nothing_away(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().create(tx)
        pilot = a_pilot().on(ce).at(NOW).submitted().create(tx)

        def move(to: Status, minutes: int, start: int | None = None) -> None:
            at = NOW + minutes * MINUTE
            started_at = None if start is None else NOW + start * MINUTE
            mover.move(tx, [Move(pilot_id=pilot.id, to=to, started_at=started_at)], at)

        move(Status.RUNNING, 2, start=2)
        move(Status.SUBMITTED, 3)
        move(Status.RUNNING, 5, start=5)
        move(Status.DONE, 20, start=1)
        sums = [one.counts for one in totals.of_ces(tx)]

    assert sum(one.starts for one in sums) == 2
    assert sum(one.microseconds_to_start for one in sums) == pytest.approx(7 * 60e6, rel=1e-6)
    assert sum(one.microseconds_run for one in sums) == pytest.approx(19 * 60e6, rel=1e-6)


def test_a_closer_cause_takes_nothing_from_the_first(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().create(tx)
        pilot = a_pilot().on(ce).failed(Cause.UNKNOWN).create(tx)
        mover.refine(tx, {pilot.id: Cause.NODE})

        assert [one.cause for one in totals.of_vos(tx) if one.became is Status.FAILED] == [
            Cause.UNKNOWN
        ]


def test_what_goes_with_a_ce_still_counts_for_its_vo(uow: UnitOfWork) -> None:
    with uow() as tx:
        vo = a_vo().create(tx)
        for is_folded in (True, False):
            ce = a_ce().create(tx)
            pilot = a_pilot().on(ce).for_vo(vo).cancelled().create(tx)
            if is_folded:
                tallies.fold(tx, ALL)
            before = [one for one in totals.of_vos(tx) if one.vo == vo.name]
            tx.execute(text("DELETE FROM pilots WHERE id = :id"), {"id": pilot.id})
            ces.remove(tx, ce.name)
            assert [one for one in totals.of_vos(tx) if one.vo == vo.name] == before
            tallies.fold(tx, ALL)
            assert [one for one in totals.of_vos(tx) if one.vo == vo.name] == before
        assert list(totals.of_ces(tx)) == []


@pytest.mark.slow
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(plan=STEPS)
def test_nothing_that_happens_makes_one_go_down(uow: UnitOfWork, plan: list[Any]) -> None:
    def go_through() -> None:
        with uow() as tx:
            _Life(tx).go_through(plan)
            raise _RolledBack

    with pytest.raises(_RolledBack):
        go_through()


class _RolledBack(Exception):
    """Ends an example and undoes what it did."""


class _Life:
    """Two CEs whose pilots are made, moved, counted and deleted in any order."""

    def __init__(self, tx: Transaction) -> None:
        self.tx = tx
        self.places = [a_ce().with_capacity(100).create(tx) for _ in range(2)]
        self.ids: list[int] = []
        self.now = NOW

    def go_through(self, plan: list[Any]) -> None:
        before = counters(self.tx)
        for kind, number, word in plan:
            self.now += MINUTE
            getattr(self, kind)(number, word)
            after = counters(self.tx)
            for key, counts in before.items():
                pairs = zip(counts, after[key], strict=True)
                assert all(old <= new for old, new in pairs), (kind, key, counts, after[key])
            before = after

    def make(self, number: int, word: str) -> None:
        builder = a_pilot().on(self.places[number]).at(self.now).that_is(Status(word))
        self.ids.append(builder.create(self.tx).id)

    def move(self, number: int, word: str) -> None:
        """Move a pilot if that is legal, with a start that may correct an earlier one."""
        if self.ids:
            pilot_id, to = self.ids[number % len(self.ids)], Status(word)
            move = Move(
                pilot_id=pilot_id,
                to=to,
                cause=Cause.UNKNOWN if to is Status.FAILED else None,
                use=Use.SHORT if to is Status.DONE else None,
                started_at=self.now - 3 * MINUTE if pilot_id % 2 else None,
            )
            mover.move(self.tx, [move], self.now)

    def refine(self, number: int, word: str) -> None:
        if self.ids:
            mover.refine(self.tx, {self.ids[number % len(self.ids)]: Cause(word)})

    def fold(self, number: int, _: None) -> None:
        tallies.fold(self.tx, number)

    def coarsen(self, number: int, _: None) -> None:
        tallies.coarsen(self.tx, Grain.MINUTE, Grain.HOUR, self.now, number)

    def prune(self, number: int, _: None) -> None:
        retention.remove(self.tx, "pilots", self.now + timedelta(days=400), number)
