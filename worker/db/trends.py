"""Trends: how many pilots more or fewer ran and waited after each minute, and how many failed.

They are summed up from the tallies of minutes, and from what was not folded yet. What is read is
bounded by the time that is asked about, and does not grow with the history.
"""

from collections.abc import Collection
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Executable,
    Select,
    Table,
    bindparam,
    case,
    func,
    select,
    union_all,
)

from worker.db.engine import POSTGRESQL
from worker.db.failures import BAD
from worker.db.tables import new_tallies, tallies
from worker.db.tallies import GONE
from worker.db.types import UtcDateTime
from worker.db.uow import Transaction
from worker.domain.pilot import WAITING, Status
from worker.domain.tally import Grain, begin_of


class MinuteOfMoves(NamedTuple):
    """What one minute changed: pilots that run, pilots that wait; and how many failed in it."""

    at: datetime
    running: int
    waiting: int
    failed: int


def by_minute(tx: Transaction, since: datetime) -> list[MinuteOfMoves]:
    """Sum up the moves of all pilots since the minute of a moment, minute by minute."""
    listing = tx.execute(_moves(tx.dialect), {"since": begin_of(Grain.MINUTE, since)})
    return [
        MinuteOfMoves(row.minute, int(row.running), int(row.waiting), int(row.failed))
        for row in listing
    ]


@cache
def _moves(dialect: str) -> Executable:
    since = bindparam("since", type_=UtcDateTime())
    folded = _summed(tallies, tallies.c.begins_at).where(
        tallies.c.grain == Grain.MINUTE, tallies.c.begins_at >= since
    )
    new = _summed(new_tallies, _minute(dialect, new_tallies.c.at)).where(
        new_tallies.c.at >= since, new_tallies.c.became != GONE
    )
    both = union_all(folded, new).subquery("both")
    at, *numbers = both.c
    sums = (func.sum(number).label(number.name) for number in numbers)
    return select(at, *sums).group_by(at).order_by(at)


def _summed(table: Table, minute: ColumnElement[datetime]) -> Select[Any]:
    became, was, pilots = table.c.became, table.c.was, table.c.pilots

    def change(statuses: Collection[Status]) -> ColumnElement[int]:
        return _if_in(became, statuses, pilots) - _if_in(was, statuses, pilots)

    numbers = {
        "running": change({Status.RUNNING}),
        "waiting": change(WAITING),
        "failed": _if_in(became, BAD, pilots),
    }
    columns: list[ColumnElement[Any]] = [minute.label("minute")]
    columns += [func.sum(number).label(name) for name, number in numbers.items()]
    return select(*columns).group_by(minute)


def _if_in(
    column: ColumnElement[str], statuses: Collection[Status], pilots: ColumnElement[int]
) -> ColumnElement[int]:
    return case((column.in_(sorted(statuses)), pilots), else_=0)


def _minute(dialect: str, at: ColumnElement[datetime]) -> ColumnElement[datetime]:
    """Return the beginning of the minute of a moment. Tallies are in UTC."""
    if dialect == POSTGRESQL:
        return func.date_trunc("minute", at, "UTC", type_=UtcDateTime())
    return func.strftime("%Y-%m-%d %H:%M:00.000000", at, type_=UtcDateTime())
