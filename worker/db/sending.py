"""The sending states of CEs: automatic pauses, holds by operators, and the history of both."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Executable, Integer, Text, Update, insert, select, update

from worker.db import webhook_events
from worker.db.changes import note
from worker.db.names import key_of
from worker.db.pages import FIRST, Page, PageRequest, read_page
from worker.db.rows import encode, rows
from worker.db.tables import ce_health, ces, sending_changes
from worker.db.types import UtcDateTime
from worker.db.uow import Transaction
from worker.domain.sending import Sending
from worker.domain.webhook import WebhookEventKind


@dataclass(frozen=True, kw_only=True)
class SendingChange:
    """A change of the sending state of a CE, and why."""

    ce: str
    was: Sending
    became: Sending
    reason: str
    by_hand: bool
    until: datetime | None = None
    at: datetime


SORTS = {"id": sending_changes.c.id, "at": sending_changes.c.at}


def add(tx: Transaction, changes: Collection[SendingChange]) -> None:
    """Write changes into the history, in one statement."""
    if not changes:
        return
    names = tuple(SendingChange.__dataclass_fields__)
    tx.execute(_add(tx.dialect), encode(names, (_row(change) for change in changes)))
    for change in changes:
        _note(tx, change)
    webhook_events.add(tx, map(_event, changes), max(change.at for change in changes))


def find(tx: Transaction, ce: str, *, asked: PageRequest = FIRST) -> Page[SendingChange]:
    """List the changes of the sending state of a CE: when it was paused, held or resumed."""
    own = [sending_changes.c[name] for name in SendingChange.__dataclass_fields__ if name != "ce"]
    query = (
        select(ces.c.name.label("ce"), *own)
        .join_from(sending_changes, ces, sending_changes.c.ce_id == ces.c.id)
        .where(sending_changes.c.ce_id == key_of(tx, ces, ce))
    )
    return read_page(
        tx, query, sending_changes.c.id, SORTS, asked, lambda row: SendingChange(**row)
    )


def change(
    tx: Transaction, new: SendingChange, reason: str | None = None, since: datetime | None = None
) -> None:
    """Change the sending state of a CE, and write the history.

    `reason` and `since` are given for a pause or a hold, and are `None` for its end.
    """
    tx.execute(_change(tx, new, reason, since))
    add(tx, [new])


def end_hold(
    tx: Transaction, new: SendingChange, reason: str | None = None, since: datetime | None = None
) -> None:
    """Change the sending state of a CE whose hold is over. A hold that was renewed stays."""
    is_over = (ce_health.c.sending == Sending.HELD) & (ce_health.c.held_until <= new.at)
    if tx.execute(_change(tx, new, reason, since).where(is_over)).rowcount:
        add(tx, [new])


def _change(
    tx: Transaction, new: SendingChange, reason: str | None, since: datetime | None
) -> Update:
    return (
        update(ce_health)
        .where(ce_health.c.ce_id == key_of(tx, ces, new.ce))
        .values(
            sending=new.became, sending_reason=reason, sending_since=since, held_until=new.until
        )
    )


def holds_over(tx: Transaction, now: datetime) -> list[str]:
    """Return the CEs that are still held although the time of the hold is over."""
    query = (
        select(ces.c.name)
        .join_from(ce_health, ces, ce_health.c.ce_id == ces.c.id)
        .where(ce_health.c.sending == Sending.HELD, ce_health.c.held_until <= now)
        .order_by(ces.c.name)
    )
    return list(tx.execute(query).scalars())


def _note(tx: Transaction, new: SendingChange) -> None:
    verb = "resume" if new.became is Sending.NORMAL else "pause"
    after = {"sending": new.became, "reason": new.reason, "until": new.until}
    note(tx, "ce", new.ce, verb, {"sending": new.was}, after)


def _event(change: SendingChange) -> webhook_events.NewEvent:
    is_over = change.became is Sending.NORMAL
    kind = WebhookEventKind.CE_RESUMED if is_over else WebhookEventKind.CE_PAUSED
    return kind, {
        "ce": change.ce,
        "was": change.was,
        "became": change.became,
        "reason": change.reason,
        "by_hand": change.by_hand,
        "until": change.until and change.until.isoformat(),
    }


def _row(change: SendingChange) -> list[Any]:
    return list({**asdict(change), "by_hand": int(change.by_hand)}.values())


@cache
def _add(dialect: str) -> Executable:
    kinds: dict[str, Any] = dict.fromkeys(SendingChange.__dataclass_fields__, Text)
    kinds |= {"by_hand": Integer, "until": UtcDateTime, "at": UtcDateTime}
    new = rows(dialect, **kinds)
    own = [name for name in SendingChange.__dataclass_fields__ if name != "ce"]
    values = {**{name: new.c[name] for name in own}, "by_hand": new.c.by_hand == 1}
    return insert(sending_changes).from_select(
        ["ce_id", *own],
        select(ces.c.id, *values.values()).join_from(new, ces, ces.c.name == new.c.ce),
    )
