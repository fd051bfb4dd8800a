"""Breakers: the pauses of CEs, by themselves or by hand, and their history."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Executable, Integer, Text, insert, select, update

from worker.db.names import key_of
from worker.db.pages import FIRST, Asked, Page, read_page
from worker.db.rows import encode, rows
from worker.db.tables import breaker_changes, ce_health, ces
from worker.db.types import UtcDateTime
from worker.db.uow import Transaction
from worker.domain.breaker import Breaker


@dataclass(frozen=True, kw_only=True)
class BreakerChange:
    """That a CE was paused, or open again, and why."""

    ce: str
    was: Breaker
    became: Breaker
    reason: str
    by_hand: bool
    until: datetime | None
    at: datetime


SORTS = {"id": breaker_changes.c.id, "at": breaker_changes.c.at}


def add(tx: Transaction, changes: Collection[BreakerChange]) -> None:
    """Write history, in one statement."""
    if not changes:
        return
    names = tuple(BreakerChange.__dataclass_fields__)
    tx.execute(_add(tx.dialect), encode(names, (_row(one) for one in changes)))


def find(tx: Transaction, ce: str, *, asked: Asked = FIRST) -> Page[BreakerChange]:
    """List the pauses and reopenings of a CE."""
    own = [breaker_changes.c[name] for name in BreakerChange.__dataclass_fields__ if name != "ce"]
    query = (
        select(ces.c.name.label("ce"), *own)
        .join_from(breaker_changes, ces, breaker_changes.c.ce_id == ces.c.id)
        .where(breaker_changes.c.ce_id == key_of(tx, ces, ce))
    )
    return read_page(
        tx, query, breaker_changes.c.id, SORTS, asked, lambda row: BreakerChange(**row)
    )


def put(
    tx: Transaction,
    ce: str,
    breaker: Breaker,
    reason: str | None,
    since: datetime | None,
    until: datetime | None = None,
) -> None:
    """Set the breaker of a CE; the history is the caller's to write."""
    tx.execute(
        update(ce_health)
        .where(ce_health.c.ce_id == key_of(tx, ces, ce))
        .values(breaker=breaker, breaker_reason=reason, breaker_since=since, held_until=until)
    )


def held_until(tx: Transaction, now: datetime) -> list[str]:
    """Name the CEs whose pause by hand is over."""
    query = (
        select(ces.c.name)
        .join_from(ce_health, ces, ce_health.c.ce_id == ces.c.id)
        .where(ce_health.c.breaker == Breaker.HELD, ce_health.c.held_until <= now)
        .order_by(ces.c.name)
    )
    return list(tx.execute(query).scalars())


def _row(change: BreakerChange) -> list[Any]:
    return list({**asdict(change), "by_hand": int(change.by_hand)}.values())


@cache
def _add(dialect: str) -> Executable:
    kinds: dict[str, Any] = dict.fromkeys(BreakerChange.__dataclass_fields__, Text)
    kinds |= {"by_hand": Integer, "until": UtcDateTime, "at": UtcDateTime}
    new = rows(dialect, **kinds)
    own = [name for name in BreakerChange.__dataclass_fields__ if name != "ce"]
    values = {**{name: new.c[name] for name in own}, "by_hand": new.c.by_hand == 1}
    return insert(breaker_changes).from_select(
        ["ce_id", *own],
        select(ces.c.id, *values.values()).join_from(new, ces, ces.c.name == new.c.ce),
    )
