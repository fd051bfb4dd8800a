"""Payloads: what the pilots of each VO run."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from worker.db.changes import note
from worker.db.names import key_of
from worker.db.tables import vos
from worker.db.uow import Transaction
from worker.domain.payload import summary


def put(tx: Transaction, vo: str, payload: Mapping[str, Any] | None) -> None:
    """Store a VO's payload as plain values; `None` removes it."""
    key, before = key_of(tx, vos, vo), get(tx, vo)
    stored = None if payload is None else dict(payload)
    tx.execute(update(vos).where(vos.c.id == key).values(payload=stored))
    note(tx, "vo", vo, "payload", {"payload": summary(before)}, {"payload": summary(payload)})


def get(tx: Transaction, vo: str) -> Mapping[str, Any] | None:
    key = key_of(tx, vos, vo)
    payload: Mapping[str, Any] | None = tx.execute(
        select(vos.c.payload).where(vos.c.id == key)
    ).scalar_one()
    return payload


def graces(tx: Transaction) -> dict[str, timedelta]:
    """Return the grace of each VO whose payload sets one: how long its pilots have to finish."""
    query = select(vos.c.name, _GRACE.label("grace")).where(_GRACE.is_not(None))
    return {row.name: timedelta(seconds=row.grace) for row in tx.execute(query)}


_GRACE = vos.c.payload["grace"].as_float()


def of_vos(tx: Transaction, names: Collection[str]) -> dict[str, Mapping[str, Any]]:
    """Read the payloads of some VOs; a VO without a payload is left out."""
    query = select(vos.c.name, vos.c.payload).where(vos.c.name.in_(sorted(names)))
    return {row.name: row.payload for row in tx.execute(query) if row.payload is not None}
