"""Pilot reports: the last report of each pilot.

A report changes one small row. It locks neither the pilot, nor its VO, nor its CE.
"""

from collections.abc import Iterable
from dataclasses import asdict, fields
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Select, Text, bindparam, select

from worker.db.rows import is_among, keys_of, put
from worker.db.tables import has_status, may_go_on, pilot_reports, pilots, vos
from worker.db.uow import Transaction
from worker.domain.pilot import AT_CE
from worker.domain.pilot_report import PilotReport, PilotState


class Speaker(NamedTuple):
    """An active pilot that sends a report: its VO, its last report, and whether it is to end."""

    pilot_id: int
    vo: str
    report: PilotReport | None
    is_unwanted: bool


class IdlePilot(NamedTuple):
    """A pilot at a CE whose last report says idle."""

    pilot_id: int
    vo_id: int
    report: PilotReport


def speaker(tx: Transaction, stamp: str) -> Speaker | None:
    """Return the active pilot of a stamp; `None` if there is none.

    A pilot that speaks runs, so an end that was asked for because it waits does not concern it.
    """
    row = tx.execute(_SPEAKER, {"stamp": stamp}).one_or_none()
    if row is None:
        return None
    return Speaker(row.id, row.vo, _report(row), not row.may_go_on)


def save(tx: Transaction, pilot_id: int, report: PilotReport) -> None:
    """Store the report of a pilot; it replaces the one before."""
    put(tx, pilot_reports, {"pilot_id": pilot_id}, asdict(report))


def get(tx: Transaction, pilot_id: int) -> PilotReport | None:
    """Read the last report of a pilot, if there is one."""
    return of_pilots(tx, [pilot_id]).get(pilot_id)


def of_pilots(tx: Transaction, ids: Iterable[int]) -> dict[int, PilotReport]:
    """Read the last reports of these pilots; a pilot without a report is left out."""
    rows = tx.execute(_of_pilots(tx.dialect), {"ids": keys_of(tx.dialect, ids)})
    return {row.pilot_id: report for row in rows if (report := _report(row))}


def idle(tx: Transaction, vo_ids: Iterable[int]) -> list[IdlePilot]:
    """Return the pilots of these VOs at CEs that report idle and whose end was not asked for."""
    rows = tx.execute(_idle(tx.dialect), {"vos": keys_of(tx.dialect, vo_ids)})
    # Sorted in Python: to sort by id, SQLite would read the whole history.
    return sorted(
        (IdlePilot(row.id, row.vo_id, report) for row in rows if (report := _report(row))),
        key=lambda one: one.pilot_id,
    )


def _report(row: Any) -> PilotReport | None:
    if row.at is None:
        return None
    return PilotReport(**{field.name: getattr(row, field.name) for field in fields(PilotReport)})


_REPORT = [pilot_reports.c[field.name] for field in fields(PilotReport)]
_SPEAKER = (
    select(pilots.c.id, vos.c.name.label("vo"), may_go_on().label("may_go_on"), *_REPORT)
    .select_from(pilots.join(vos).outerjoin(pilot_reports, pilot_reports.c.pilot_id == pilots.c.id))
    .where(pilots.c.stamp == bindparam("stamp", type_=Text), pilots.c.ended_at.is_(None))
)


@cache
def _of_pilots(dialect: str) -> Select[Any]:
    query = select(pilot_reports.c.pilot_id, *_REPORT)
    return query.where(is_among(dialect, pilot_reports.c.pilot_id, "ids"))


@cache
def _idle(dialect: str) -> Select[Any]:
    # Begins with the active pilots, which are few: a report is kept as long as its pilot's history.
    return (
        select(pilots.c.id, pilots.c.vo_id, *_REPORT)
        .join_from(pilots, pilot_reports, pilot_reports.c.pilot_id == pilots.c.id)
        .where(
            has_status(AT_CE),
            may_go_on(),
            is_among(dialect, pilots.c.vo_id, "vos"),
            pilot_reports.c.state == PilotState.IDLE,
        )
    )
