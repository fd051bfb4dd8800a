"""Trends: how many pilots run and wait now, how these numbers changed by minute, and failures.

One statement reads everything, so pilots that move meanwhile are counted once. The changes are
summed up from the tallies of minutes, and from new tallies that were not folded yet. The number of
rows that are read depends on the time that is asked for, not on the length of the history.
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
    and_,
    bindparam,
    case,
    func,
    literal_column,
    not_,
    null,
    or_,
    select,
    type_coerce,
    union_all,
)

from worker.db.engine import POSTGRESQL
from worker.db.failures import BAD
from worker.db.tables import new_tallies, tallies
from worker.db.tallies import GONE, counted
from worker.db.types import UtcDateTime
from worker.db.uow import Transaction
from worker.domain.pilot import WAITING, Status
from worker.domain.tally import Grain, begin_of

RUNS = frozenset({Status.RUNNING})


class MinuteOfMoves(NamedTuple):
    """The changes of the running and the waiting pilots in one minute, and the failures in it."""

    at: datetime
    running: int
    waiting: int
    failed: int


class Course(NamedTuple):
    """How many pilots run and wait now, and the changes within each minute."""

    running: int
    waiting: int
    moves: list[MinuteOfMoves]


def course(tx: Transaction, since: datetime) -> Course:
    """Count the running and waiting pilots, and sum up the moves since the minute of a moment."""
    running = waiting = 0
    moves = []
    for row in tx.execute(_course(tx.dialect), {"since": begin_of(Grain.MINUTE, since)}):
        numbers = int(row.running), int(row.waiting), int(row.failed)
        if row.minute is None:
            running, waiting, _ = numbers
        else:
            moves.append(MinuteOfMoves(row.minute, *numbers))
    return Course(running, waiting, moves)


@cache
def _course(dialect: str) -> Executable:
    since = bindparam("since", type_=UtcDateTime())
    folded = _summed(tallies, tallies.c.begins_at).where(
        tallies.c.grain == Grain.MINUTE, tallies.c.begins_at >= since
    )
    new = _summed(new_tallies, _minute(dialect, new_tallies.c.at)).where(
        new_tallies.c.at >= since, new_tallies.c.became != GONE
    )
    both = union_all(_now(), folded, new).subquery("both")
    at, *numbers = both.c
    sums = (func.sum(number).label(number.name) for number in numbers)
    return select(at, *sums).group_by(at)


def _now() -> Select[Any]:
    """Count the pilots that run and wait. In the result this is the row without a minute."""
    part = counted()
    columns: list[ColumnElement[Any]] = [type_coerce(null(), UtcDateTime()).label("minute")]
    for name, statuses in (("running", RUNS), ("waiting", WAITING)):
        number = func.sum(_if_in(part.c.status, statuses, part.c.pilots))
        columns.append(func.coalesce(number, 0).label(name))
    return select(*columns, literal_column("0").label("failed"))


def _summed(table: Table, minute: ColumnElement[datetime]) -> Select[Any]:
    """Sum up moves by minute. Moves between waiting statuses change nothing, and are left out."""
    became, was, pilots = table.c.became, table.c.was, table.c.pilots

    def change(statuses: Collection[Status]) -> ColumnElement[int]:
        return _if_in(became, statuses, pilots) - _if_in(was, statuses, pilots)

    numbers = {
        "running": change(RUNS),
        "waiting": change(WAITING),
        "failed": _if_in(became, BAD, pilots),
    }
    columns: list[ColumnElement[Any]] = [minute.label("minute")]
    columns += [func.sum(number).label(name) for name, number in numbers.items()]
    still_waits = and_(_is_in(became, WAITING), _is_in(was, WAITING))
    return select(*columns).where(not_(still_waits)).group_by(minute)


def _is_in(column: ColumnElement[str], statuses: Collection[Status]) -> ColumnElement[bool]:
    """Match the statuses by one comparison each: for an IN list, SQLite makes a table and searches
    it for each row.
    """
    return or_(*(column == status for status in sorted(statuses)))


def _if_in(
    column: ColumnElement[str], statuses: Collection[Status], pilots: ColumnElement[int]
) -> ColumnElement[int]:
    return case((_is_in(column, statuses), pilots), else_=0)


def _minute(dialect: str, at: ColumnElement[datetime]) -> ColumnElement[datetime]:
    """Return the beginning of the minute of a moment. Tallies are in UTC."""
    if dialect == POSTGRESQL:
        return func.date_trunc("minute", at, "UTC", type_=UtcDateTime())
    # The stored text is cut: parsing and formatting moments would cost more than all the rest.
    return type_coerce(func.substr(at, 1, 16).op("||")(":00.000000"), UtcDateTime())
