"""Work: the uses of a VO's pilots by the minute in which they began, and how long they live."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import JSON, Executable, Integer, Text, delete, select, true

from worker.db.rows import adding, encode, insert_selected, replacing, rows
from worker.db.tables import ces, vo_cohorts, vo_work, vos
from worker.db.types import UtcDateTime
from worker.db.uow import Transaction
from worker.policy.work import Cohort, NoWork

_NAMES = Cohort._fields
_COUNTS = ("useful", "short", "empty", "served")


@dataclass(frozen=True, kw_only=True)
class WorkRecord:
    """What is known of the work of a VO. The content of `lives` belongs to the policy."""

    exit_codes: Mapping[str, str] | None = None
    """The meanings of the exit codes of its payload."""
    useful_after: float | None = None
    """Seconds that a pilot must have run to have been of use, if its payload sets them."""
    reports: bool = False
    """Whether its payload lets pilots send pilot reports."""
    lives: Mapping[str, Any] = field(default_factory=dict)
    without_work: NoWork | None = None
    """Why its pilots seem to find no work, and since when; `None` if they find work."""


NOTHING_KNOWN = WorkRecord()


def count(tx: Transaction, cohorts: Collection[Cohort]) -> None:
    """Add to the cohorts of the last hour. Those of a removed VO or CE are left out."""
    if cohorts:
        tx.execute(_count(tx.dialect), encode(_NAMES, sorted(cohorts)))


def cohorts(tx: Transaction) -> list[Cohort]:
    """Read the cohorts of the last hour."""
    return [Cohort._make(row) for row in tx.execute(_COHORTS)]


def forget(tx: Transaction, before: datetime, after: datetime) -> None:
    """Delete the cohorts that began before a moment, and those that began after another.

    The later ones come from a clock that was set back meanwhile.
    """
    minute = vo_cohorts.c.minute
    tx.execute(delete(vo_cohorts).where((minute < before) | (minute > after)))


def get_all(tx: Transaction) -> dict[str, WorkRecord]:
    """Read what is known of the work of every VO."""
    return {
        row.vo: WorkRecord(
            exit_codes=row.exit_codes,
            useful_after=row.useful_after,
            reports=bool(row.reports),
            lives=row.lives or {},
            without_work=_no_work(row),
        )
        for row in tx.execute(_RECORDS)
    }


def without_work(tx: Transaction) -> dict[str, NoWork]:
    """Read which VOs' pilots find no work."""
    query = _RECORDS.where(vo_work.c.without_work_since.is_not(None))
    return {row.vo: missing for row in tx.execute(query) if (missing := _no_work(row))}


def save(tx: Transaction, records: Mapping[str, WorkRecord]) -> None:
    """Store what is known of the work of some VOs."""
    if not records:
        return
    data = [
        (
            vo,
            dict(record.lives),
            record.without_work and record.without_work.since,
            record.without_work and record.without_work.reason,
        )
        for vo, record in sorted(records.items())
    ]
    tx.execute(_save(tx.dialect), encode(tuple(_STORED), data))


def _no_work(row: Any) -> NoWork | None:
    if row.without_work_since is None:
        return None
    return NoWork(reason=row.without_work_reason, since=row.without_work_since)


_COHORTS = (
    select(vos.c.name, ces.c.name, *(vo_cohorts.c[name] for name in ("minute", *_COUNTS)))
    .join_from(vo_cohorts, vos, vos.c.id == vo_cohorts.c.vo_id)
    .join(ces, ces.c.id == vo_cohorts.c.ce_id)
)
# Only these values of the payload are read, because a payload may be long.
_RECORDS = select(
    vos.c.name.label("vo"),
    *(vos.c.payload[name].label(name) for name in ("exit_codes", "useful_after", "reports")),
    vo_work.c.lives,
    vo_work.c.without_work_since,
    vo_work.c.without_work_reason,
).select_from(vos.outerjoin(vo_work, vo_work.c.vo_id == vos.c.id))

_STORED = {
    "vo": Text,
    "lives": JSON,
    "without_work_since": UtcDateTime,
    "without_work_reason": Text,
}


@cache
def _count(dialect: str) -> Executable:
    new = rows(
        dialect,
        vo=Text,
        ce=Text,
        minute=UtcDateTime,
        **dict.fromkeys(_COUNTS, Integer),
    )
    source = (
        select(vos.c.id, ces.c.id, new.c.minute, *(new.c[name] for name in _COUNTS))
        .join_from(new, vos, vos.c.name == new.c.vo)
        .join(ces, ces.c.name == new.c.ce)
        .where(true())
    )
    columns = ["vo_id", "ce_id", "minute", *_COUNTS]
    return adding(insert_selected(dialect, vo_cohorts, columns, source), vo_cohorts, _COUNTS)


@cache
def _save(dialect: str) -> Executable:
    new = rows(dialect, **_STORED)
    values = [name for name in _STORED if name != "vo"]
    source = (
        select(vos.c.id, *(new.c[name] for name in values))
        .join_from(new, vos, vos.c.name == new.c.vo)
        .where(true())
    )
    insertion = insert_selected(dialect, vo_work, ["vo_id", *values], source)
    return replacing(insertion, vo_work, values)
