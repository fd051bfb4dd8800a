"""Health: what was learnt of each CE, and the state of its breaker."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import JSON, Executable, Text, bindparam, select, update

from worker.db.rows import encode, rows
from worker.db.tables import ce_health, ces
from worker.db.types import UtcDateTime
from worker.db.uow import Transaction
from worker.domain.breaker import Breaker
from worker.domain.errors import UnknownCE


@dataclass(frozen=True, kw_only=True)
class Health:
    """What is known of a CE's behaviour. `rates` belongs to the policy."""

    rates: Mapping[str, Any]
    learned_at: datetime
    breaker: Breaker = Breaker.CLOSED
    breaker_reason: str | None = None
    breaker_since: datetime | None = None
    next_probe_at: datetime | None = None
    failed_calls: int = 0
    retry_at: datetime | None = None


_COLUMNS = [ce_health.c[name] for name in Health.__dataclass_fields__]


def get(tx: Transaction, ce: str) -> Health:
    """Read the health of one CE."""
    found = tx.execute(_HEALTH.where(ces.c.name == ce)).mappings().one_or_none()
    if found is None:
        raise UnknownCE(ce)
    return Health(**{name: value for name, value in found.items() if name != "ce"})


def get_all(tx: Transaction) -> dict[str, Health]:
    """Read the health of every CE."""
    found = tx.execute(_HEALTH.order_by(ces.c.name)).mappings()
    return {
        row["ce"]: Health(**{name: value for name, value in row.items() if name != "ce"})
        for row in found
    }


def save(tx: Transaction, ce: str, health: Health) -> None:
    """Store the health of one CE."""
    wanted = select(ces.c.id).where(ces.c.name == ce).scalar_subquery()
    values = {**asdict(health), "rates": dict(health.rates)}
    stored = tx.execute(update(ce_health).where(ce_health.c.ce_id == wanted).values(values))
    if not stored.rowcount:
        raise UnknownCE(ce)


def save_rates(
    tx: Transaction, learned: Mapping[str, Mapping[str, Any]], learned_at: datetime
) -> None:
    """Store what was learnt of many CEs, in one statement."""
    if not learned:
        return
    data = ((ce, dict(rates)) for ce, rates in learned.items())
    tx.execute(_save_rates(tx.dialect), {**encode(("ce", "rates"), data), "learned_at": learned_at})


@cache
def _save_rates(dialect: str) -> Executable:
    new = rows(dialect, ce=Text, rates=JSON)
    moment = bindparam("learned_at", type_=UtcDateTime())
    return (
        update(ce_health)
        .where(ce_health.c.ce_id == ces.c.id, ces.c.name == new.c.ce)
        .values(rates=new.c.rates, learned_at=moment)
    )


_HEALTH = select(ces.c.name.label("ce"), *_COLUMNS).join_from(
    ce_health, ces, ce_health.c.ce_id == ces.c.id
)
