"""Tallies: how many pilots there are and which moves they made, without reading a pilot.

Triggers append each move to `new_tallies`, in the transaction of the move. `fold` takes the rows
from there into `pilot_counts` and the tallies of minutes. A count is the sum of `pilot_counts` and
`new_tallies`, read by one statement, so it is exact whether or not everything was folded.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    Delete,
    Executable,
    Float,
    Integer,
    Row,
    Subquery,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    select,
    text,
    union_all,
)

from worker.db import totals
from worker.db.engine import POSTGRESQL
from worker.db.rows import adding, encode, insert_rows
from worker.db.tables import (
    ces,
    has_status,
    new_tallies,
    pilot_counts,
    pilots,
    tallies,
    vos,
)
from worker.db.types import UtcDateTime
from worker.db.uow import Transaction
from worker.domain.pilot import Status, Use
from worker.domain.tally import Grain, MoveCounts, Tally, begin_of

LOCK = "tally"
"""The name of the lock that an execution holds while it folds."""

FOLDED_AT_ONCE = 20_000
"""The most new tallies that one fold takes; they are all in memory for a moment."""

GONE = ""
"""The status of a pilot before it is made and after it was deleted."""

_COUNTS = MoveCounts._fields

Differences = Mapping[tuple[str, str, Status], tuple[int, int]]
"""By CE, VO and status: the kept count, and how many pilots there really are."""


def take_past(table: Table) -> Delete:
    """Delete the oldest tallies of one grain before a moment, at least as many as a limit.

    Whole minutes or hours are deleted: no part of one is left.
    """
    past = (
        select(table.c.begins_at)
        .where(
            table.c.grain == bindparam("grain"),
            table.c.begins_at < bindparam("before", type_=UtcDateTime()),
        )
        .order_by(table.c.begins_at)
        .limit(bindparam("limit", type_=Integer))
        .subquery()
    )
    latest = select(func.max(past.c.begins_at)).scalar_subquery()
    return delete(table).where(table.c.grain == bindparam("grain"), table.c.begins_at <= latest)


def counted() -> Subquery:
    """Select how many pilots each VO has in each status at each CE.

    A count may be in several rows, which must be summed.
    """
    folded = select(
        pilot_counts.c.ce_id, pilot_counts.c.vo_id, pilot_counts.c.status, pilot_counts.c.pilots
    )
    into, out_of = (
        select(new_tallies.c.ce_id, new_tallies.c.vo_id, status, number)
        for status, number in (
            (new_tallies.c.became, new_tallies.c.pilots),
            (new_tallies.c.was, -new_tallies.c.pilots),
        )
    )
    return union_all(folded, into, out_of).subquery("counted")


def fold(tx: Transaction, limit: int) -> int:
    """Fold up to `limit` new tallies, the oldest first; return how many.

    Only one execution may do this at a time: the caller holds `LOCK`.
    """
    new = tx.execute(_TAKE, {"limit": limit}).all()
    ce_ids = set(tx.execute(select(ces.c.id)).scalars())
    vo_ids = set(tx.execute(select(vos.c.id)).scalars())
    totals.add(tx, new, ce_ids, vo_ids)
    # Rows of CEs and VOs that were removed since are left out.
    kept = [row for row in new if row.ce_id in ce_ids and row.vo_id in vo_ids]
    _add_counts(tx, kept)
    _add_tallies(
        tx,
        (_part(Grain.MINUTE, row.at, row) for row in kept if row.became != GONE),
    )
    return len(new)


def coarsen(tx: Transaction, grain: Grain, into: Grain, before: datetime, limit: int) -> int:
    """Fold tallies that are older than a moment into tallies of a longer time; return how many."""
    old = tx.execute(_OLD, {"grain": grain, "before": before, "limit": limit}).all()
    _add_tallies(tx, (_part(into, row.begins_at, row) for row in old))
    return len(old)


def count_new(tx: Transaction) -> int:
    """Count the tallies that were not folded yet."""
    return int(tx.execute(select(func.count()).select_from(new_tallies)).scalar_one())


def good_ends(tx: Transaction, since: datetime) -> dict[tuple[str, str, Use], int]:
    """Count the pilots that ended well since a moment, by VO, CE and use.

    They are counted from the beginning of the moment's minute. For a moment of days ago the count
    is too low: older tallies are not kept by the minute. Ends from before the use was stored are
    left out.
    """
    begin = {"since": begin_of(Grain.MINUTE, since)}
    return {(row.vo, row.ce, Use(row.cause)): int(row.number) for row in tx.execute(_GOOD, begin)}


def recount(tx: Transaction) -> Differences:
    """Make the counts anew from the pilots themselves; return the counts that differed.

    Meanwhile no pilot can move, and nobody else folds: the caller holds `LOCK`.
    """
    if tx.dialect == POSTGRESQL:
        tx.execute(text("LOCK TABLE pilots IN SHARE MODE"))
    differing = differences(tx)
    if differing:
        while fold(tx, FOLDED_AT_ONCE):
            pass
        tx.execute(delete(pilot_counts))
        real = _pilots_themselves()
        names = ("ce_id", "vo_id", "status", "pilots")
        tx.execute(insert(pilot_counts).from_select(names, select(*(real.c[n] for n in names))))
    return differing


def differences(tx: Transaction) -> Differences:
    """Count the pilots themselves; return each CE, VO and status whose kept count differs.

    One statement reads both, so pilots that move meanwhile make no difference.
    """
    kept, real = counted(), _pilots_themselves()
    key = ("ce_id", "vo_id", "status")
    zero = literal_column("0", Integer)
    both = union_all(
        select(*(kept.c[n] for n in key), kept.c.pilots.label("kept"), zero.label("real")),
        select(*(real.c[n] for n in key), zero, real.c.pilots),
    ).subquery("both")
    sums = func.sum(both.c.kept), func.sum(both.c.real)
    query = (
        select(
            ces.c.name.label("ce"),
            vos.c.name.label("vo"),
            both.c.status,
            sums[0].label("kept"),
            sums[1].label("real"),
        )
        .join_from(both, ces, ces.c.id == both.c.ce_id)
        .join(vos, vos.c.id == both.c.vo_id)
        .where(has_status(Status, both.c.status))
        .group_by(ces.c.name, vos.c.name, both.c.status)
        .having(sums[0] != sums[1])
        .order_by(ces.c.name, vos.c.name, both.c.status)
    )
    return {
        (row.ce, row.vo, Status(row.status)): (int(row.kept), int(row.real))
        for row in tx.execute(query)
    }


def _pilots_themselves() -> Subquery:
    return (
        select(pilots.c.ce_id, pilots.c.vo_id, pilots.c.status, func.count().label("pilots"))
        .group_by(pilots.c.ce_id, pilots.c.vo_id, pilots.c.status)
        .subquery("real")
    )


def _part(grain: Grain, at: datetime, row: Row[Any]) -> tuple[Tally, MoveCounts]:
    """Return the tally to which a row belongs, and the counts of the row."""
    move = row[1 : len(_MOVE) + 1]
    counts = row[len(_MOVE) + 1 : len(_MOVE) + 1 + len(_COUNTS)]
    return Tally._make((grain, begin_of(grain, at), *move)), MoveCounts._make(counts)


def _add_counts(tx: Transaction, rows: Iterable[Row[Any]]) -> None:
    counts: dict[tuple[int, int, str], int] = defaultdict(int)
    for row in rows:
        counts[row.ce_id, row.vo_id, row.became] += row.pilots
        counts[row.ce_id, row.vo_id, row.was] -= row.pilots
    data = [(*key, n) for key, n in sorted(counts.items()) if n and key[2] != GONE]
    if data:
        names = ("ce_id", "vo_id", "status", "pilots")
        tx.execute(_add_to_counts(tx.dialect), encode(names, data))


def _add_tallies(tx: Transaction, parts: Iterable[tuple[Tally, MoveCounts]]) -> None:
    sums: dict[Tally, MoveCounts] = {}
    for tally, counts in parts:
        sums[tally] = counts.plus(sums[tally]) if tally in sums else counts
    if sums:
        data = ((*tally, *counts) for tally, counts in sorted(sums.items()))
        tx.execute(_add_to_tallies(tx.dialect), encode((*Tally._fields, *_COUNTS), data))


_MOVE = Tally._fields[2:]

_TAKE = (
    delete(new_tallies)
    .where(
        new_tallies.c.id.in_(
            select(new_tallies.c.id)
            .order_by(new_tallies.c.id)
            .limit(bindparam("limit", type_=Integer))
        )
    )
    .returning(
        new_tallies.c.at, *(new_tallies.c[name] for name in (*_MOVE, *_COUNTS)), *totals.EVER
    )
)

_IN_TIME = bindparam("since", type_=UtcDateTime())
_ENDS = union_all(
    *(
        select(*(table.c[name] for name in ("vo_id", "ce_id", "cause", "pilots"))).where(
            *when, table.c.became == literal_column(f"'{Status.DONE}'"), table.c.cause != ""
        )
        for table, when in (
            (tallies, (tallies.c.grain == Grain.MINUTE, tallies.c.begins_at >= _IN_TIME)),
            (new_tallies, (new_tallies.c.at >= _IN_TIME,)),
        )
    )
).subquery("ends")
_GOOD = (
    select(
        vos.c.name.label("vo"),
        ces.c.name.label("ce"),
        _ENDS.c.cause,
        func.sum(_ENDS.c.pilots).label("number"),
    )
    .join_from(_ENDS, vos, vos.c.id == _ENDS.c.vo_id)
    .join(ces, ces.c.id == _ENDS.c.ce_id)
    .group_by(vos.c.name, ces.c.name, _ENDS.c.cause)
)

_OLD = take_past(tallies).returning(
    tallies.c.begins_at, *(tallies.c[name] for name in (*_MOVE, *_COUNTS))
)


@cache
def _add_to_counts(dialect: str) -> Executable:
    columns = {"ce_id": Integer, "vo_id": Integer, "status": Text, "pilots": Integer}
    new = insert_rows(dialect, pilot_counts, columns)
    return adding(new, pilot_counts, ["pilots"])


@cache
def _add_to_tallies(dialect: str) -> Executable:
    columns = {
        "grain": Text,
        "begins_at": UtcDateTime,
        "ce_id": Integer,
        "vo_id": Integer,
        "was": Text,
        "became": Text,
        "cause": Text,
        "pilots": Integer,
        "starts": Integer,
        "seconds_to_start": Float,
        "seconds_run": Float,
    }
    return adding(insert_rows(dialect, tallies, columns), tallies, list(_COUNTS))
