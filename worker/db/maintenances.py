"""Maintenances: known times in which CEs get no new pilots."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select

from worker.db.changes import note
from worker.db.names import key_of
from worker.db.tables import ces, maintenances
from worker.db.uow import Transaction
from worker.domain.errors import Invalid, NotFound
from worker.domain.nearest import nearest


@dataclass(frozen=True, kw_only=True)
class Maintenance:
    """A time in which a CE gets no new pilots."""

    ce: str
    begins_at: datetime
    ends_at: datetime
    reason: str
    id: int = 0

    def __post_init__(self) -> None:
        if self.begins_at >= self.ends_at:
            raise Invalid("maintenance", "it ends before it begins")
        if not self.reason.strip():
            raise Invalid("maintenance", "say why")


_COLUMNS: list[Any] = [
    ces.c.name.label("ce"),
    *(maintenances.c[name] for name in ("begins_at", "ends_at", "reason", "id")),
]
_ALL = (
    select(*_COLUMNS)
    .join_from(maintenances, ces, maintenances.c.ce_id == ces.c.id)
    .order_by(maintenances.c.begins_at, maintenances.c.id)
)


def add(tx: Transaction, maintenance: Maintenance) -> int:
    """Add a maintenance; return its id."""
    made = insert(maintenances).values(
        ce_id=key_of(tx, ces, maintenance.ce),
        begins_at=maintenance.begins_at,
        ends_at=maintenance.ends_at,
        reason=maintenance.reason,
    )
    which = int(tx.execute(made.returning(maintenances.c.id)).scalar_one())
    _note(tx, "add", maintenance.ce, which, None, maintenance)
    return which


def find(tx: Transaction, ce: str | None, since: datetime) -> list[Maintenance]:
    """Return the maintenances that are not over, of one CE or of all."""
    query = _ALL.where(maintenances.c.ends_at > since)
    if ce is not None:
        query = query.where(maintenances.c.ce_id == key_of(tx, ces, ce))
    return [Maintenance(**row) for row in tx.execute(query).mappings()]


def current(tx: Transaction, now: datetime) -> dict[str, Maintenance]:
    """Return the maintenance that each CE is in now, if any."""
    query = _ALL.where(maintenances.c.begins_at <= now, maintenances.c.ends_at > now)
    return {row["ce"]: Maintenance(**row) for row in tx.execute(query).mappings()}


def remove(tx: Transaction, ce: str, which: int) -> None:
    of_ce = _ALL.where(maintenances.c.ce_id == key_of(tx, ces, ce))
    stored = {row["id"]: Maintenance(**row) for row in tx.execute(of_ce).mappings()}
    if which not in stored:
        ids = map(str, stored)
        raise NotFound(f"maintenance {which} of CE {ce}", nearest(str(which), ids))
    tx.execute(delete(maintenances).where(maintenances.c.id == which))
    _note(tx, "remove", ce, which, stored[which], None)


def _note(
    tx: Transaction,
    verb: str,
    ce: str,
    which: int,
    before: Maintenance | None,
    after: Maintenance | None,
) -> None:
    values = (
        {
            f"maintenance {which}": each
            and {name: getattr(each, name) for name in ("begins_at", "ends_at", "reason")}
        }
        for each in (before, after)
    )
    note(tx, "ce", ce, f"maintenance {verb}", *values)
