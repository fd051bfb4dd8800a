"""Decisions: why a CE got so many pilots for a VO, or none."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.expectations import broken_by, refused, statements
from tests.factories import MINUTE, NOW, a_ce, a_decision, a_vo
from worker.db import ces, decisions, locks, retention, vos
from worker.db.pages import PageRequest
from worker.db.tables import ce_list_places, ce_lists, decision_bases
from worker.db.tables import decisions as tables_decisions
from worker.db.uow import Transaction, UnitOfWork
from worker.domain.decision import Decision
from worker.domain.errors import UnknownCE
from worker.domain.vo import DEFAULT_VO

SECOND = timedelta(seconds=1)

TRACES: list[dict[str, object]] = [
    {},
    {"steps": [{"weight": 0.5, "left": None, "ok": True}], "deep": {"er": {"est": []}}},
    {"ünïcödé": "täglich 🚀", "quotes": 'it\'s "so" \\ %s :name'},
]


@pytest.mark.parametrize("trace", TRACES, ids=["empty", "nested", "unicode"])
def test_a_decision_is_read_back_as_it_was_stored(
    uow: UnitOfWork, trace: dict[str, object]
) -> None:
    with uow() as tx:
        decision = a_decision().granting(3).because("it was täglich free").tracing(trace).create(tx)
    with uow() as tx:
        result = decisions.find(tx).items

    assert result == [decision]
    assert result[0].at.tzinfo is not None


def test_decisions_are_found_by_ce_by_vo_and_up_to_a_moment(uow: UnitOfWork) -> None:
    with uow() as tx:
        vo = a_vo().create(tx)
        here, there = a_ce().create(tx), a_ce().create(tx)
        a_decision().on(here).because("1").create(tx)
        a_decision().on(there).for_vo(vo).because("2").at(NOW + MINUTE).create(tx)
        a_decision().on(here).for_vo(vo).because("3").at(NOW + 2 * MINUTE).create(tx)

    with uow() as tx:
        assert [d.reason for d in decisions.find(tx, ce=here.name).items] == ["1", "3"]
        assert [d.reason for d in decisions.find(tx, vo=vo.name).items] == ["2", "3"]
        assert [d.reason for d in decisions.find(tx, until=NOW + MINUTE).items] == ["1", "2"]
        with refused(UnknownCE, "nowhere"):
            decisions.find(tx, ce="nowhere")
        newest = decisions.find(tx, ce=here.name, asked=PageRequest(descending=True, limit=1))
        assert [d.reason for d in newest.items] == ["3"]


def a_cycle(tx: Transaction, number: int, vo: str = DEFAULT_VO) -> list[Decision]:
    """Make CEs, and the decisions of one cycle about them, which are not stored yet."""
    places = sorted((a_ce().create(tx) for _ in range(number)), key=lambda ce: ce.name)
    trace = {"ce": {"free": 3}, "need": 5}
    return [
        Decision(vo=vo, ce=ce.name, at=NOW, granted=n % 3, reason=f"free {n}", trace=trace)
        for n, ce in enumerate(places)
    ]


def later(cycle: list[Decision], minutes: int, **changes: Any) -> list[Decision]:
    return [replace(one, at=NOW + minutes * MINUTE, **changes) for one in cycle]


def stored_rows(uow: UnitOfWork) -> dict[str, int]:
    with uow() as tx:
        return {
            table.name: tx.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (ce_lists, ce_list_places, decision_bases, tables_decisions)
        }


@pytest.mark.parametrize("number", [2, 1000])
def test_a_cycle_is_one_row_in_three_statements_however_many_ces(
    uow: UnitOfWork, number: int
) -> None:
    with uow() as tx:
        cycle = a_cycle(tx, number)
        assert decisions.add(tx, cycle) == number
    with uow() as tx, statements(uow.engine) as sql:
        assert decisions.add(tx, [replace(one, granted=7, at=NOW + SECOND) for one in cycle])
    with uow() as tx:
        page = decisions.find(tx, asked=PageRequest(descending=True, limit=number))

    assert len(sql) == 3
    assert [one.granted for one in page.items] == [7] * number
    assert stored_rows(uow) == {
        "ce_lists": 1,
        "ce_list_places": number,
        "decision_bases": 1,
        "decisions": 2,
    }


def test_a_cycle_that_decided_the_same_is_one_more_tick_of_its_row(uow: UnitOfWork) -> None:
    with uow() as tx:
        cycle = a_cycle(tx, 5)
        decisions.add(tx, cycle)
    for minute in (1, 2, 5):
        with uow() as tx, statements(uow.engine) as sql:
            decisions.add(tx, later(cycle, minute))
        assert len(sql) == 3
    with uow() as tx:
        ce = cycle[0].ce
        every = decisions.between(tx, NOW, NOW + 10 * MINUTE)
        some = decisions.between(tx, NOW + MINUTE, NOW + 5 * MINUTE)
        [last] = decisions.last_of_each(tx, ce)
        [then] = decisions.last_of_each(tx, ce, until=NOW + 4 * MINUTE)
        [item] = decisions.find(tx, ce=ce).items
        [before] = decisions.find(tx, ce=ce, until=NOW).items

    assert stored_rows(uow)["decisions"] == 1
    assert every == [*cycle, *later(cycle, 1), *later(cycle, 2), *later(cycle, 5)]
    assert some == [*later(cycle, 1), *later(cycle, 2)]
    assert last == item == replace(cycle[0], at=NOW + 5 * MINUTE, times=4)
    assert then == replace(cycle[0], at=NOW + 2 * MINUTE, times=3)
    assert before == cycle[0]


def test_what_differs_in_anything_is_another_row(uow: UnitOfWork) -> None:
    with uow() as tx:
        cycle = a_cycle(tx, 3)
        more = a_cycle(tx, 1)
        others = [
            cycle,
            later(cycle, 1, trace={"ce": {"free": 3}, "need": 5.0}),
            later(cycle, 2),
            later([*cycle, *more], 3),
            later(cycle, 4),  # about the CEs of a row before that is not the last
            later(cycle, 4),
            later(cycle, 3),
            later(cycle, 120),
        ]
        for other in others:
            decisions.add(tx, other)
        latest = decisions.last_of_each(tx, more[0].ce)

    assert stored_rows(uow)["decisions"] == len(others)
    assert latest == later(more, 3)


def test_vos_of_one_round_share_a_base_and_nothing_else(uow: UnitOfWork) -> None:
    with uow() as tx:
        vo = a_vo().create(tx)
        cycle = a_cycle(tx, 3, vo=vo.name)
        other = [replace(one, vo=DEFAULT_VO, at=NOW + SECOND, granted=9) for one in cycle]
        # The cycle that began first need not be stored first.
        for one in (other, cycle, later(cycle, 1, granted=1)):
            decisions.add(tx, one)
    assert stored_rows(uow)["decision_bases"] == 2
    with uow() as tx:
        vos.remove(tx, vo.name)
    with uow() as tx:
        assert decisions.find(tx).items == other


def test_where_another_writes_a_base_an_old_one_will_do(
    uow: UnitOfWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    with uow() as tx:
        cycle = a_cycle(tx, 3)
        decisions.add(tx, cycle)
    monkeypatch.setattr(locks, "try_lock", lambda tx, name: name != "decision base")
    bases = []
    for minute in (1, 2, 9):
        with uow() as tx:
            decisions.add(tx, later(cycle, minute, granted=minute))
        bases.append(stored_rows(uow)["decision_bases"])
    with uow() as tx:
        every = decisions.between(tx, NOW, NOW + 9 * MINUTE)

    assert bases == [1, 1, 2]
    assert every == [*cycle, *later(cycle, 1, granted=1), *later(cycle, 2, granted=2)]


def test_a_ce_that_is_removed_takes_what_was_decided_about_it_and_no_more(
    uow: UnitOfWork,
) -> None:
    with uow() as tx:
        cycle = a_cycle(tx, 3)
        decisions.add(tx, cycle)
    with uow() as tx:
        ces.remove(tx, cycle[2].ce)
        # On SQLite it gets the key of the CE that was removed.
        again = a_ce().named(cycle[2].ce).create(tx)
    with uow() as tx:
        assert decisions.last_of_each(tx, again.name) == []
        assert decisions.between(tx, NOW, NOW + MINUTE) == cycle[:2]
        decisions.add(tx, later(cycle, 1))
        assert decisions.last_of_each(tx, again.name) == later(cycle[2:], 1)
        assert decisions.between(tx, NOW, NOW + MINUTE) == cycle[:2]


def test_an_explanation_is_one_statement(uow: UnitOfWork) -> None:
    with uow() as tx:
        cycle = a_cycle(tx, 3)
        for minute in range(4):
            for vo in (DEFAULT_VO, "other"):
                if minute == 0 and vo != DEFAULT_VO:
                    a_vo().named(vo).create(tx)
                decisions.add(tx, later(cycle, minute, vo=vo, granted=minute))
    with uow() as tx, statements(uow.engine) as sql:
        last = decisions.last_of_each(tx, cycle[1].ce, until=NOW + 2 * MINUTE)

    assert len(sql) == 1
    assert [(one.vo, one.granted) for one in last] == [(DEFAULT_VO, 2), ("other", 2)]


def test_bases_and_lists_that_nothing_needs_go_with_old_decisions(uow: UnitOfWork) -> None:
    with uow() as tx:
        first, second = a_cycle(tx, 2), a_cycle(tx, 2)
        decisions.add(tx, first)
        decisions.add(tx, later(second, 1))
        decisions.add(tx, [replace(one, granted=5) for one in later(second, 60)])
    with uow() as tx:
        assert retention.remove(tx, "decisions", before=NOW + 2 * MINUTE, limit=9) == 2

    assert stored_rows(uow) == {
        "ce_lists": 1,
        "ce_list_places": 2,
        "decision_bases": 1,
        "decisions": 1,
    }


def test_no_decisions_are_no_statement(uow: UnitOfWork) -> None:
    with uow() as tx, statements(uow.engine) as sql:
        count = decisions.add(tx, [])

    assert (count, sql) == (0, [])


def test_a_decision_on_nothing_known_is_left_out_and_told(uow: UnitOfWork) -> None:
    with uow() as tx:
        one = a_decision().create(tx)
    with uow() as tx:
        count = decisions.add(tx, [replace(one, ce="nowhere"), replace(one, vo="nobody"), one])

    assert count == 1


def test_a_row_is_as_old_as_its_last_tick(uow: UnitOfWork) -> None:
    with uow() as tx:
        cycle = a_cycle(tx, 2)
        decisions.add(tx, cycle)
        decisions.add(tx, later(cycle, 9))
    with uow() as tx:
        assert retention.remove(tx, "decisions", before=NOW + 9 * MINUTE, limit=3) == 0
        assert retention.remove(tx, "decisions", before=NOW + 10 * MINUTE, limit=3) == 1


def test_old_decisions_are_removed_a_handful_at_a_time(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().create(tx)
        for n in range(5):
            a_decision().on(ce).because(str(n)).at(NOW + n * MINUTE).create(tx)
    with uow() as tx:
        assert retention.remove(tx, "decisions", before=NOW + 4 * MINUTE, limit=3) == 3
    with uow() as tx:
        assert [d.reason for d in decisions.find(tx).items] == ["3", "4"]
        assert retention.remove(tx, "decisions", before=NOW + 4 * MINUTE, limit=3) == 1
        assert retention.remove(tx, "decisions", before=NOW + 4 * MINUTE, limit=3) == 0


def test_a_decision_at_a_moment_without_a_time_zone_is_refused(uow: UnitOfWork) -> None:
    with uow() as tx:
        one = a_decision().create(tx)
    naive = Decision(**{**vars(one), "at": NOW.replace(tzinfo=None)})

    with broken_by(ValueError, "no time zone"), uow() as tx:
        decisions.add(tx, [naive])


def test_what_was_rolled_back_was_never_there(uow: UnitOfWork) -> None:
    with broken_by(ZeroDivisionError), uow() as tx:
        a_decision().create(tx)
        raise ZeroDivisionError
    with uow() as tx:
        assert decisions.find(tx).items == []
