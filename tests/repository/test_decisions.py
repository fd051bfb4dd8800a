"""Decisions: why a CE got so many pilots for a VO, or none."""

from dataclasses import replace

import pytest

from tests.expectations import broken_by, refused, statements
from tests.factories import MINUTE, NOW, a_ce, a_decision, a_vo
from worker.db import decisions, retention
from worker.db.pages import PageRequest
from worker.db.uow import UnitOfWork
from worker.domain.decision import Decision
from worker.domain.errors import UnknownCE

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
        stored = a_decision().granting(3).because("it was täglich free").tracing(trace).create(tx)
    with uow() as tx:
        found = decisions.find(tx).items

    assert found == [stored]
    assert found[0].at.tzinfo is not None


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


def test_a_thousand_decisions_are_one_statement(uow: UnitOfWork) -> None:
    with uow() as tx:
        one = a_decision().create(tx)
    with uow() as tx, statements(uow.engine) as sent:
        stored = decisions.add(tx, [replace(one, granted=n) for n in range(1000)])

    assert stored == 1000
    assert len(sent) == 1


def test_no_decisions_are_no_statement(uow: UnitOfWork) -> None:
    with uow() as tx, statements(uow.engine) as sent:
        stored = decisions.add(tx, [])

    assert (stored, sent) == (0, [])


def test_a_decision_on_nothing_known_is_left_out_and_told(uow: UnitOfWork) -> None:
    with uow() as tx:
        one = a_decision().create(tx)
    with uow() as tx:
        stored = decisions.add(tx, [replace(one, ce="nowhere"), replace(one, vo="nobody"), one])

    assert stored == 1


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
