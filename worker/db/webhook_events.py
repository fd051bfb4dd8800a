"""The outbox of the webhook: events that wait to be sent to its receiver.

An event is written in the transaction of what it is about, so both are stored or neither is. It is
deleted after the receiver has taken it, so an event that is sent just before a crash is sent again.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any
from uuid import uuid4

from sqlalchemy import Executable, Text, delete, func, insert, or_, select, update

from worker.db.rows import encode, rows
from worker.db.tables import standstills, webhook_events
from worker.db.types import UtcDateTime
from worker.db.uow import Transaction
from worker.domain.webhook import WebhookEvent, WebhookEventKind

NewEvent = tuple[WebhookEventKind, Mapping[str, Any]]
"""What an event is about, and its details."""


def add(tx: Transaction, events: Iterable[NewEvent], now: datetime) -> None:
    """Write events into the outbox, in one statement."""
    data = [[uuid4().hex, str(kind), now, json.dumps(details)] for kind, details in events]
    if data:
        tx.execute(_add(tx.dialect), encode(("event_id", "kind", "at", "details"), data))


def due(tx: Transaction, now: datetime, most: int) -> list[WebhookEvent]:
    """Return the events that are to be sent now, the oldest first."""
    own = webhook_events.c
    query = (
        select(*(own[n] for n in ("id", "event_id", "kind", "at", "details", "attempts")))
        .where(or_(own.next_at.is_(None), own.next_at <= now))
        .order_by(own.id)
        .limit(most)
    )
    return [
        WebhookEvent(**{**row, "details": json.loads(row["details"])})
        for row in tx.execute(query).mappings()
    ]


def count(tx: Transaction) -> int:
    """Count the events that wait."""
    number: int = tx.execute(select(func.count()).select_from(webhook_events)).scalar_one()
    return number


def remove(tx: Transaction, ids: Collection[int]) -> None:
    """Delete events that the receiver took, or that are given up."""
    if ids:
        tx.execute(delete(webhook_events).where(webhook_events.c.id.in_(sorted(ids))))


def postpone(tx: Transaction, event: WebhookEvent, until: datetime) -> None:
    """Note that an attempt failed, and when the next one is made."""
    tx.execute(
        update(webhook_events)
        .where(webhook_events.c.id == event.id)
        .values(attempts=event.attempts + 1, next_at=until)
    )


def bound(tx: Transaction, oldest: datetime, most: int) -> int:
    """Delete events that are too old or too many, the oldest first; return their number."""
    own = webhook_events.c
    above = select(own.id).order_by(own.id.desc()).offset(most).limit(1).scalar_subquery()
    gone = delete(webhook_events).where(or_(own.at < oldest, own.id <= above)).returning(own.id)
    return len(tx.execute(gone).all())


def note_standstills(
    tx: Transaction, standing: Mapping[str, str], now: datetime
) -> tuple[list[str], list[str]]:
    """Store which queues stand still; return the queues whose standstill began, and ended."""
    before = set(tx.execute(select(standstills.c.queue)).scalars())
    began, ended = sorted(standing.keys() - before), sorted(before - standing.keys())
    if ended:
        tx.execute(delete(standstills).where(standstills.c.queue.in_(ended)))
    if began:
        tx.execute(insert(standstills).values([{"queue": one, "since": now} for one in began]))
    return began, ended


@cache
def _add(dialect: str) -> Executable:
    new = rows(dialect, event_id=Text, kind=Text, at=UtcDateTime, details=Text)
    names = ["event_id", "kind", "at", "details"]
    return insert(webhook_events).from_select(names, select(*(new.c[name] for name in names)))
