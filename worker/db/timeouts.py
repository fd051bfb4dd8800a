"""Time-outs: those that are set, and the pilots that may be past one.

Only active pilots are read, by one statement for all of them. For requeued pilots a part of their
history is read by a second statement.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    Select,
    Table,
    Text,
    bindparam,
    case,
    func,
    literal,
    or_,
    select,
    union_all,
)

from worker.db.rows import is_among, keys_of
from worker.db.tables import ces, has_status, may_go_on, pilots, transitions, vos
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
    """Return the pilots at CEs that may be past a time-out and whose end was not asked for.

    They belong to a CE or VO with a time-out, and are past the shortest time-out of all. A pilot
    that is to end if it waits has no `since`: only the silence of its CE counts.
    """
    if not (timeouts.of_ces or timeouts.of_vos):
        return []
    parameters = {
        **{name: _before(now, timeouts, name) for name in NAMES},
        "ces": keys_of(tx.dialect, timeouts.of_ces),
        "vos": keys_of(tx.dialect, timeouts.of_vos),
    }
    rows = tx.execute(_late(tx.dialect), parameters).all()
    waits_again = [
        row.id for row in rows if row.requeues and row.since and row.status is Status.SUBMITTED
    ]
    put_back = _put_back_at(tx, waits_again) if waits_again else {}
    # Sorted in Python: to sort by id, SQLite would read the whole history.
    return sorted(
        LatePilot(
            pilot_id=row.id,
            ce_id=row.ce_id,
            vo_id=row.vo_id,
            status=row.status,
            since=put_back.get(row.id, row.since),
            answered_at=row.answered_at,
            silent_since=row.silent_since,
        )
        for row in rows
    )


def _put_back_at(tx: Transaction, ids: Iterable[int]) -> dict[int, datetime]:
    """Return since when requeued pilots wait again."""
    keys = {"ids": keys_of(tx.dialect, ids)}
    return {row.pilot_id: row.at for row in tx.execute(_put_back(tx.dialect), keys)}


def _before(now: datetime, timeouts: TimeoutsSet, name: str) -> datetime | None:
    """Return the moment before which a pilot must have begun to be past the shortest time-out of
    this name; `None` if none is set.
    """
    owners = (*timeouts.of_ces.values(), *timeouts.of_vos.values())
    lengths = [length for owner in owners if (length := getattr(owner, name)) is not None]
    return now - min(lengths) if lengths else None


def _of(table: Table, kind: str) -> Select[Any]:
    names = [table.c[name] for name in NAMES]
    query = select(literal(kind, Text).label("kind"), table.c.id, table.c.name, *names)
    return query.where(or_(*(column.is_not(None) for column in names)))


_SET = union_all(_of(ces, "CE"), _of(vos, "VO"))

_OLD = pilots.c
_ANSWERED_AT = func.coalesce(_OLD.checked_at, _OLD.submitted_at)
# An answer that moves a pilot does not set `checked_at`, so the start of a pilot counts as an
# answer, too. With fewer unanswered checks than LEAST_UNANSWERED the CE is not silent.
_SILENT_SINCE = case(
    (_OLD.attempts < LEAST_UNANSWERED, None),
    (_OLD.started_at > _ANSWERED_AT, _OLD.started_at),
    else_=_ANSWERED_AT,
)


@cache
def _late(dialect: str) -> Select[Any]:
    before = {name: bindparam(name, type_=UtcDateTime()) for name in NAMES}
    waits, runs = has_status([Status.SUBMITTED]), has_status([Status.RUNNING])
    is_asked = _OLD.cancel_requested_at.is_not(None)
    return select(
        _OLD.id,
        _OLD.ce_id,
        _OLD.vo_id,
        _OLD.status,
        _OLD.requeues,
        case((is_asked, None), (runs, _OLD.started_at), else_=_OLD.submitted_at).label("since"),
        _ANSWERED_AT.label("answered_at"),
        _SILENT_SINCE.label("silent_since"),
    ).where(
        has_status(AT_CE),
        may_go_on(),
        is_among(dialect, _OLD.ce_id, "ces") | is_among(dialect, _OLD.vo_id, "vos"),
        or_(
            ~is_asked & waits & (_OLD.submitted_at < before["wait_at_most"]),
            runs & (_OLD.started_at < before["run_at_most"]),
            before["silent_at_most"] > _SILENT_SINCE,
        ),
    )


@cache
def _put_back(dialect: str) -> Select[Any]:
    step = transitions.c
    return (
        select(step.pilot_id, func.max(step.at).label("at"))
        .where(
            is_among(dialect, step.pilot_id, "ids"),
            step.was == Status.RUNNING,
            step.became == Status.SUBMITTED,
        )
        .group_by(step.pilot_id)
    )
