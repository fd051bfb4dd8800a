"""Counts of the calls to CEs by outcome, written in the transaction that gives back a CE's turn.

Only one execution at a time calls a CE, so no two transactions wait for the same row here.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import NamedTuple

from sqlalchemy import Executable, Float, Integer, Text, bindparam, func, select, true

from worker.db.names import key_of
from worker.db.rows import adding, encode, insert_rows, insert_selected, rows
from worker.db.tables import call_tallies, call_totals, ces
from worker.db.tallies import take_past
from worker.db.types import UtcDateTime
from worker.db.uow import Transaction
from worker.domain.call_tally import Call, CallKind, CallOutcome, CallTally, bucket_of
from worker.domain.tally import Grain, begin_of

_COUNTS = ("calls", "seconds")
_NAMES = ("grain", "begins_at", "kind", "outcome", "within", *_COUNTS)


def add(tx: Transaction, ce: str, calls: Sequence[Call], now: datetime) -> None:
    """Count calls that were made to a CE. If the CE was removed meanwhile, nothing is counted."""
    if not calls:
        return
    minute = begin_of(Grain.MINUTE, now)
    sums: dict[tuple[str, str, int], tuple[int, float]] = {}
    for call in calls:
        key = (call.kind, call.outcome, bucket_of(call.seconds))
        number, seconds = sums.get(key, (0, 0.0))
        sums[key] = number + 1, seconds + call.seconds
    data = ((Grain.MINUTE, minute, *key, *counts) for key, counts in sorted(sums.items()))
    tx.execute(_add(tx.dialect), {**encode(_NAMES, data), "ce": ce})
    in_all = ((*key, n, round(seconds * 1_000_000)) for key, (n, seconds) in sorted(sums.items()))
    tx.execute(_add_to_totals(tx.dialect), {**encode(_TOTALS, in_all), "ce": ce})


class CallTotal(NamedTuple):
    """All calls to the CEs of a back-end of one kind, one outcome and one bucket of length."""

    backend: str
    kind: CallKind
    outcome: CallOutcome
    within: int
    calls: int
    microseconds: int


def totals(tx: Transaction) -> list[CallTotal]:
    """Read the counts of all calls ever made, also to CEs that were removed since."""
    table = call_totals.c
    key = [table[name] for name in ("backend", "kind", "outcome", "within")]
    sums = [func.sum(table[name]).label(name) for name in ("calls", "microseconds")]
    return [
        CallTotal(
            row.backend,
            row.kind,
            row.outcome,
            row.within,
            int(row.calls),
            int(row.microseconds),
        )
        for row in tx.execute(select(*key, *sums).group_by(*key))
    ]


def of(tx: Transaction, ce: str, since: datetime) -> list[CallTally]:
    """Return the tallies of the calls to a CE since a moment, the oldest first."""
    query = (
        select(*(call_tallies.c[name] for name in CallTally._fields))
        .where(
            call_tallies.c.ce_id == key_of(tx, ces, ce),
            call_tallies.c.begins_at >= since,
        )
        .order_by(call_tallies.c.begins_at, call_tallies.c.kind, call_tallies.c.outcome)
    )
    return [CallTally._make(row) for row in tx.execute(query)]


def coarsen(tx: Transaction, grain: Grain, into: Grain, before: datetime, limit: int) -> int:
    """Fold tallies that are older than a moment into tallies of a longer time; return how many."""
    old = tx.execute(_OLD, {"grain": grain, "before": before, "limit": limit}).all()
    sums: dict[tuple[object, ...], tuple[int, float]] = {}
    for row in old:
        key = (into, begin_of(into, row.begins_at), row.ce_id, row.kind, row.outcome, row.within)
        calls, seconds = sums.get(key, (0, 0.0))
        sums[key] = calls + row.calls, seconds + row.seconds
    if sums:
        names = (*_OF_A_KEY, *_COUNTS)
        data = ((*key, *counts) for key, counts in sums.items())
        tx.execute(_add_folded(tx.dialect), encode(names, data))
    return len(old)


_OF_A_KEY = ("grain", "begins_at", "ce_id", "kind", "outcome", "within")

_OLD = take_past(call_tallies).returning(*call_tallies.c)

_COLUMNS = {
    "grain": Text,
    "begins_at": UtcDateTime,
    "kind": Text,
    "outcome": Text,
    "within": Integer,
    "calls": Integer,
    "seconds": Float,
}


@cache
def _add(dialect: str) -> Executable:
    new = rows(dialect, **_COLUMNS)
    is_ce = ces.c.name == bindparam("ce", type_=Text)
    source = select(*(new.c[name] for name in _COLUMNS), ces.c.id).join_from(new, ces, true())
    source = source.where(is_ce)
    insertion = insert_selected(dialect, call_tallies, [*_COLUMNS, "ce_id"], source)
    return adding(insertion, call_tallies, _COUNTS)


_TOTAL_COLUMNS = {
    "kind": Text,
    "outcome": Text,
    "within": Integer,
    "calls": Integer,
    "microseconds": Integer,
}
_TOTALS = tuple(_TOTAL_COLUMNS)


@cache
def _add_to_totals(dialect: str) -> Executable:
    new = rows(dialect, **_TOTAL_COLUMNS)
    source = (
        select(*(new.c[name] for name in _TOTALS), ces.c.id, ces.c.backend)
        .join_from(new, ces, true())
        .where(ces.c.name == bindparam("ce", type_=Text))
    )
    insertion = insert_selected(dialect, call_totals, [*_TOTALS, "ce_id", "backend"], source)
    return adding(insertion, call_totals, ("calls", "microseconds"))


@cache
def _add_folded(dialect: str) -> Executable:
    insertion = insert_rows(dialect, call_tallies, {**_COLUMNS, "ce_id": Integer})
    return adding(insertion, call_tallies, _COUNTS)
