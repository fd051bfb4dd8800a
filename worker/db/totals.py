"""Totals of all moves ever made, by CE and by VO. Monitoring systems read them as counters.

A fold adds new tallies to the totals in the transaction that deletes them. So the sum of both, read
by one statement, never goes down: neither by a fold, nor when pilots and tallies are deleted.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Executable,
    Float,
    Integer,
    Row,
    Select,
    Table,
    Text,
    case,
    cast,
    func,
    literal_column,
    select,
    union_all,
)

from worker.db.rows import adding, encode, insert_rows, is_among, keys_of
from worker.db.tables import ce_totals, ces, new_tallies, vo_totals, vos
from worker.db.uow import Transaction
from worker.domain.demand import EndedPilots
from worker.domain.pilot import OCCUPYING, OF_NO_USE, RAN_BADLY, WAITING, Status
from worker.domain.tally import TotalCounts

_KEY = ("was", "became", "cause")
_NAMES = TotalCounts._fields
_PREFIX = "ever_"


class CETotal(NamedTuple):
    """The pilots that ever came to one status at a CE; good ends for nothing have their own total.

    There is no cause: sums for each CE and cause would be too many to read each minute.
    """

    ce: str
    became: Status
    of_no_use: bool
    counts: TotalCounts


class VOTotal(NamedTuple):
    """The pilots of a VO that ever made a move. For a good end, `cause` is its use."""

    vo: str
    was: str
    became: Status
    cause: str
    counts: TotalCounts


def _was_among(statuses: Iterable[Status | str]) -> ColumnElement[bool]:
    return new_tallies.c.was.in_([literal_column(f"'{status}'") for status in statuses])


def _microseconds(seconds: ColumnElement[float]) -> ColumnElement[int]:
    return cast(func.round(cast(seconds * 1_000_000, Float)), BigInteger)


_HAD_NOT_BEGUN = _was_among(["", *sorted(WAITING)])
"""The start of such a pilot was not counted before, so the seconds are not a correction."""

_WAS_NOT_OVER = _was_among(["", *sorted(OCCUPYING)])

_IS_MOVE = (new_tallies.c.was != new_tallies.c.became) & (new_tallies.c.became != "")

_NOTHING = literal_column("0", BigInteger)
_COUNTED: dict[str, ColumnElement[int]] = {
    "pilots": new_tallies.c.pilots,
    "starts": case((_HAD_NOT_BEGUN, new_tallies.c.starts), else_=_NOTHING),
    "microseconds_to_start": case(
        (_HAD_NOT_BEGUN, _microseconds(new_tallies.c.seconds_to_start)), else_=_NOTHING
    ),
    "microseconds_run": case(
        (_WAS_NOT_OVER, _microseconds(new_tallies.c.seconds_run)), else_=_NOTHING
    ),
}

EVER = tuple(_COUNTED[name].label(f"{_PREFIX}{name}") for name in _NAMES)
"""The columns of a new tally that are added to the totals; `fold` reads them with the rows."""


def add(tx: Transaction, rows: Collection[Row[Any]], ce_ids: set[int], vo_ids: set[int]) -> None:
    """Add the new tallies that a fold took. Those of a removed CE still count for the VO."""
    moves = [row for row in rows if row.became not in (row.was, "")]
    for name, table, existing in (("ce", ce_totals, ce_ids), ("vo", vo_totals, vo_ids)):
        sums: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0] * len(_NAMES))
        for row in moves:
            place = getattr(row, f"{name}_id")
            if place in existing:
                total = sums[place, row.was, row.became, row.cause]
                for number, column in enumerate(_NAMES):
                    total[number] += getattr(row, f"{_PREFIX}{column}")
        if sums:
            data = ((*key, *total) for key, total in sorted(sums.items()))
            tx.execute(_add(tx.dialect, table), encode((table.c[0].name, *_KEY, *_NAMES), data))


def of_ces(tx: Transaction) -> Iterator[CETotal]:
    """Read the totals of each CE; a CE without moves is left out."""
    for row in tx.execute(_OF_CES):
        yield CETotal(row.place, Status(row.became), bool(row.of_no_use), _counts(row))


def of_vos(tx: Transaction) -> Iterator[VOTotal]:
    """Read the totals of each VO; a VO without moves is left out."""
    for row in tx.execute(_OF_VOS):
        yield VOTotal(row.place, row.was, Status(row.became), row.cause, _counts(row))


def ended_of_vos(tx: Transaction, vo_ids: Iterable[int]) -> dict[str, EndedPilots]:
    """Count the pilots of some VOs that were ever of use, and those that began and failed."""
    counted = tx.execute(_ended(tx.dialect), {"vos": keys_of(tx.dialect, vo_ids)})
    return {
        row.name: EndedPilots(useful=int(row.useful), failed=int(row.failed)) for row in counted
    }


@cache
def _ended(dialect: str) -> Select[Any]:
    parts = _parts(vo_totals, "vo_id")
    failed = (parts.c.became == Status.FAILED) & parts.c.cause.in_(sorted(RAN_BADLY))
    useful = (parts.c.became == Status.DONE) & parts.c.cause.not_in(sorted(OF_NO_USE))
    sums = {"useful": useful, "failed": failed}
    return (
        select(
            vos.c.name,
            *(
                func.sum(case((condition, parts.c.pilots), else_=0)).label(name)
                for name, condition in sums.items()
            ),
        )
        .join_from(parts, vos, vos.c.id == parts.c.vo_id)
        .where(is_among(dialect, parts.c.vo_id, "vos"))
        .group_by(vos.c.name)
    )


def _counts(row: Row[Any]) -> TotalCounts:
    return TotalCounts._make(int(getattr(row, name)) for name in _NAMES)


def _parts(table: Table, place: str) -> Any:
    """Select the totals, and new tallies that were not folded yet. The rows must be summed."""
    folded = select(table.c[place], *(table.c[name] for name in (*_KEY, *_NAMES)))
    new = select(
        new_tallies.c[place],
        *(new_tallies.c[name] for name in _KEY),
        *(_COUNTED[name].label(name) for name in _NAMES),
    ).where(_IS_MOVE)
    return union_all(folded, new).subquery("parts")


def _sums(parts: Any) -> list[Any]:
    return [func.sum(parts.c[name]).label(name) for name in _NAMES]


def _of_ces() -> Select[Any]:
    parts = _parts(ce_totals, "ce_id")
    of_no_use = case(
        (parts.c.cause.in_([literal_column(f"'{use}'") for use in sorted(OF_NO_USE)]), 1), else_=0
    )
    grouped = (
        select(parts.c.ce_id, parts.c.became, of_no_use.label("of_no_use"), *_sums(parts))
        .group_by(parts.c.ce_id, parts.c.became, of_no_use)
        .subquery("grouped")
    )
    return select(ces.c.name.label("place"), grouped).join_from(
        grouped, ces, ces.c.id == grouped.c.ce_id
    )


def _of_vos() -> Select[Any]:
    parts = _parts(vo_totals, "vo_id")
    key = [parts.c[name] for name in ("vo_id", *_KEY)]
    grouped = select(*key, *_sums(parts)).group_by(*key).subquery("grouped")
    return select(vos.c.name.label("place"), grouped).join_from(
        grouped, vos, vos.c.id == grouped.c.vo_id
    )


_OF_CES = _of_ces()
_OF_VOS = _of_vos()


@cache
def _add(dialect: str, table: Table) -> Executable:
    columns: dict[str, Any] = {table.c[0].name: Integer, **dict.fromkeys(_KEY, Text)}
    columns |= dict.fromkeys(_NAMES, Integer)
    return adding(insert_rows(dialect, table, columns), table, _NAMES)
