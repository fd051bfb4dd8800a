"""Time-outs: those that are set, and the pilots that are past one.

Only active pilots are read, in one statement, however many are past their time.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    Table,
    Text,
    case,
    func,
    literal,
    or_,
    select,
    union_all,
)

from worker.db.rows import encode, rows
from worker.db.tables import ces, has_status, pilots, transitions, vos
from worker.db.types import UtcDateTime
from worker.db.uow import Transaction
from worker.domain.pilot import AT_CE, Status
from worker.domain.timeouts import LEAST_UNANSWERED, NAMES, LatePilot, Timeouts


@dataclass(frozen=True, kw_only=True)
class TimeoutsSet:
    """The time-outs of all CEs and VOs that have any, by their keys."""

    of_ces: Mapping[int, Timeouts]
    of_vos: Mapping[int, Timeouts]


def get_all(tx: Transaction) -> TimeoutsSet:
    """Return the time-outs that are set."""
    by_kind: dict[str, dict[int, Timeouts]] = {"CE": {}, "VO": {}}
    for row in tx.execute(_SET).mappings():
        values = {name: row[name] for name in NAMES}
        by_kind[row["kind"]][row["id"]] = Timeouts(owner=f"{row['kind']} {row['name']}", **values)
    return TimeoutsSet(of_ces=by_kind["CE"], of_vos=by_kind["VO"])


def late(tx: Transaction, timeouts: TimeoutsSet, now: datetime) -> list[LatePilot]:
    """Return the pilots at CEs that may be past a time-out and whose end was not asked for."""
    if not (timeouts.of_ces or timeouts.of_vos):
        return []
    parameters = encode(("ce_id", "vo_id", *NAMES), _earliest(timeouts, now))
    # Sorted here: SQLite would read the whole history in the order of the ids.
    return sorted(LatePilot._make(row) for row in tx.execute(_late(tx.dialect), parameters))


def _earliest(timeouts: TimeoutsSet, now: datetime) -> Iterator[tuple[Any, ...]]:
    """Write for each CE and VO the moments before which a pilot must not have begun."""
    for ce_id, of_ce in timeouts.of_ces.items():
        yield ce_id, None, *(_before(now, getattr(of_ce, name)) for name in NAMES)
    for vo_id, of_vo in timeouts.of_vos.items():
        yield None, vo_id, *(_before(now, getattr(of_vo, name)) for name in NAMES)


def _before(now: datetime, length: timedelta | None) -> datetime | None:
    return None if length is None else now - length


def _of(table: Table, kind: str) -> Select[Any]:
    names = [table.c[name] for name in NAMES]
    query = select(literal(kind, Text).label("kind"), table.c.id, table.c.name, *names)
    return query.where(or_(*(column.is_not(None) for column in names)))


_SET = union_all(_of(ces, "CE"), _of(vos, "VO"))

_OLD = pilots.c

# One that was put back into the queue waits since then; the moment stands in its history alone.
_PUT_BACK_AT = (
    select(func.max(transitions.c.at))
    .where(
        transitions.c.pilot_id == _OLD.id,
        transitions.c.was == Status.RUNNING,
        transitions.c.became == Status.SUBMITTED,
    )
    .scalar_subquery()
)
_WAITS_SINCE = case(
    (_OLD.requeues > 0, func.coalesce(_PUT_BACK_AT, _OLD.submitted_at)), else_=_OLD.submitted_at
)
_ANSWERED_AT = func.coalesce(_OLD.checked_at, _OLD.submitted_at)
# An answer that moves a pilot is not noted as a check, but what has begun was answered about since.
# Without checks in vain nobody asked: the CE is not silent.
_SILENT_SINCE = case(
    (_OLD.attempts < LEAST_UNANSWERED, None),
    (_OLD.started_at > _ANSWERED_AT, _OLD.started_at),
    else_=_ANSWERED_AT,
)


@cache
def _late(dialect: str) -> Select[Any]:
    moments = dict.fromkeys(NAMES, UtcDateTime)
    earliest = select(rows(dialect, ce_id=Integer, vo_id=Integer, **moments)).cte("earliest")
    of_ce, of_vo = earliest.alias("of_ce"), earliest.alias("of_vo")

    def is_past(since: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        return or_(since < of_ce.c[name], since < of_vo.c[name])

    waits, runs = has_status([Status.SUBMITTED]), has_status([Status.RUNNING])
    return (
        select(
            _OLD.id,
            _OLD.ce_id,
            _OLD.vo_id,
            _OLD.status,
            case((runs, _OLD.started_at), else_=_WAITS_SINCE),
            _ANSWERED_AT,
            _SILENT_SINCE,
        )
        # The outer joins say that the active pilots come first, never the history of a CE or VO.
        .select_from(
            pilots.outerjoin(of_ce, of_ce.c.ce_id == _OLD.ce_id).outerjoin(
                of_vo, of_vo.c.vo_id == _OLD.vo_id
            )
        )
        .where(
            has_status(AT_CE),
            _OLD.cancel_requested_at.is_(None),
            or_(
                waits & is_past(_WAITS_SINCE, "wait_at_most"),
                runs & is_past(_OLD.started_at, "run_at_most"),
                is_past(_SILENT_SINCE, "silent_at_most"),
            ),
        )
    )
