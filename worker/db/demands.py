"""Demands: the last answer of the source of each VO."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update

from worker.db.names import key_of
from worker.db.rows import insert_new
from worker.db.tables import vo_demands, vos
from worker.db.uow import Transaction
from worker.domain.demand import NOTHING_HELD, HeldTotal


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The last answer of a source, and the error of the last attempt since, if it failed."""

    demand: int | None = None
    asked_at: datetime | None = None
    answered_at: datetime | None = None
    problem: str | None = None
    surplus_since: datetime | None = None
    held: int | None = None
    lower: int | None = None
    lower_since: datetime | None = None

    @property
    def held_total(self) -> HeldTotal:
        """Return the total that is held while answers are lower."""
        return HeldTotal(held=self.held, lower=self.lower, lower_since=self.lower_since)


NONE = Answer()


def get_all(tx: Transaction) -> dict[str, Answer]:
    """Return the last answer for every VO whose source was ever asked."""
    columns = [vo_demands.c[name] for name in Answer.__dataclass_fields__]
    query = select(vos.c.name, *columns).join_from(vo_demands, vos, vo_demands.c.vo_id == vos.c.id)
    return {
        row["name"]: Answer(**{name: value for name, value in row.items() if name != "name"})
        for row in tx.execute(query).mappings()
    }


def answered(
    tx: Transaction,
    vo: str,
    demand: int,
    now: datetime,
    *,
    asked_at: datetime | None = None,
    held: HeldTotal = NOTHING_HELD,
) -> None:
    """Store an answer, with the moment at which the source was asked and the moment it answered."""
    answer = {"demand": demand, "asked_at": asked_at or now, "answered_at": now, "problem": None}
    _save(tx, vo, **answer, **asdict(held))


def failed(tx: Transaction, vo: str, problem: str, asked_at: datetime) -> None:
    """Note why a source gave no answer; its last answer stays."""
    _save(tx, vo, asked_at=asked_at, problem=problem)


def forget(tx: Transaction, vo: str) -> None:
    """Delete the answer of a source that is no longer asked."""
    tx.execute(delete(vo_demands).where(vo_demands.c.vo_id == key_of(tx, vos, vo)))


def surplus_since(tx: Transaction, vo: str, since: datetime | None) -> None:
    """Note since when more pilots wait than are wanted; `None` if there is no surplus."""
    _save(tx, vo, surplus_since=since)


def _save(tx: Transaction, vo: str, **values: Any) -> None:
    key = key_of(tx, vos, vo)
    insert_new(tx, vo_demands, vo_id=key)
    tx.execute(update(vo_demands).where(vo_demands.c.vo_id == key).values(values))
