"""Pilot reports: one row has the last report of a pilot, and nothing else changes."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from tests.expectations import statements
from tests.factories import MINUTE, NOW, a_ce, a_pilot, a_vo
from worker.db import pilot_reads, pilot_reports, pilots, retention
from worker.db.tables import pilot_reports as table
from worker.db.uow import Transaction, UnitOfWork
from worker.domain.pilot import Pilot, Status
from worker.domain.pilot_report import PilotReport, PilotState, following

FULL = PilotReport(
    state=PilotState.IDLE, payloads=3, reason="nothing to do", at=NOW, idle_since=NOW - MINUTE
)


def running_pilots(tx: Transaction, count: int = 1) -> list[Pilot]:
    return a_pilot().on(a_ce().create(tx)).running().create_many(tx, count)


@pytest.mark.parametrize("report", [FULL, PilotReport(at=NOW)], ids=["full", "empty"])
def test_what_a_pilot_said_is_read_back(uow: UnitOfWork, report: PilotReport) -> None:
    with uow() as tx:
        one, other = running_pilots(tx, 2)
        pilot_reports.save(tx, one.id, report)
    with uow() as tx:
        assert pilot_reports.get(tx, one.id) == report
        assert pilot_reports.get(tx, other.id) is None
        assert pilot_reports.of_pilots(tx, [one.id, other.id]) == {one.id: report}
        assert pilot_reports.speaker(tx, one.stamp) == (one.id, "default", report, False)
        assert pilot_reports.speaker(tx, other.stamp) == (other.id, "default", None, False)


def test_the_last_report_takes_the_place_of_the_one_before(uow: UnitOfWork) -> None:
    later = following(FULL, NOW + MINUTE, state=PilotState.BUSY)
    with uow() as tx:
        [one] = running_pilots(tx)
        before = pilot_reads.get(tx, one.id)
        pilot_reports.save(tx, one.id, FULL)
        pilot_reports.save(tx, one.id, later)
        assert pilot_reports.get(tx, one.id) == later
        assert pilot_reads.get(tx, one.id) == before
        assert tx.execute(select(func.count()).select_from(table)).scalar_one() == 1


def test_a_pilot_that_has_ended_or_is_unknown_does_not_speak(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce = a_ce().create(tx)
        final = [
            a_pilot().on(ce).done().create(tx),
            a_pilot().on(ce).failed().create(tx),
            a_pilot().on(ce).lost().create(tx),
        ]
        assert [pilot_reports.speaker(tx, one.stamp) for one in final] == [None] * 3
        assert pilot_reports.speaker(tx, "f" * 32) is None


def test_a_pilot_in_doubt_speaks(uow: UnitOfWork) -> None:
    """Its CE may have it though the answer was lost."""
    with uow() as tx:
        one = a_pilot().on(a_ce().create(tx)).submitting().create(tx)
        assert pilot_reports.speaker(tx, one.stamp) == (one.id, "default", None, False)


def test_a_pilot_whose_end_was_asked_for_is_unwanted(uow: UnitOfWork) -> None:
    with uow() as tx:
        [one] = running_pilots(tx)
        pilots.request_cancel(tx, {one.id: "asked for"}, NOW)
        assert pilot_reports.speaker(tx, one.stamp) == (one.id, "default", None, True)


def test_it_goes_with_its_pilot(uow: UnitOfWork) -> None:
    with uow() as tx:
        old = a_pilot().on(a_ce().create(tx)).done().create(tx)
        pilot_reports.save(tx, old.id, FULL)
        assert old.ended_at is not None
        retention.remove(tx, "pilots", old.ended_at + timedelta(days=1), 100)
        assert tx.execute(select(func.count()).select_from(table)).scalar_one() == 0


def test_idle_pilots_of_some_vos_are_read_by_one_statement(uow: UnitOfWork) -> None:
    with uow() as tx:
        ce, vo, other = a_ce().create(tx), a_vo().create(tx), a_vo().create(tx)
        of_vo = a_pilot().on(ce).for_vo(vo).running().create_many(tx, 4)
        [foreign] = a_pilot().on(ce).for_vo(other).running().create_many(tx, 1)
        for one in (*of_vo, foreign):
            pilot_reports.save(tx, one.id, FULL)
        pilot_reports.save(tx, of_vo[0].id, following(FULL, NOW, state=PilotState.BUSY))
        pilots.request_cancel(tx, {of_vo[1].id: "asked for"}, NOW)
    with uow() as tx, statements(uow.engine) as sql:
        idle = pilot_reports.idle(tx, [vo.id])

    assert [one.pilot_id for one in idle] == [of_vo[2].id, of_vo[3].id]
    assert [one.report for one in idle] == [FULL, FULL]
    assert len([line for line in sql if "SELECT" in line]) == 1
    assert {one.status for one in of_vo} == {Status.RUNNING}
