"""Trials: the CEs that refused pilots of a VO, and how they are tried again."""

from collections.abc import Collection
from functools import cache

from sqlalchemy import Executable, Integer, Text, delete, select, true

from worker.db.rows import encode, insert_selected, replacing, rows
from worker.db.tables import ces, trials, vos
from worker.db.types import UtcDateTime
from worker.db.uow import Transaction
from worker.domain.trial import Trial


def find(tx: Transaction, *, vo: str | None = None, ce: str | None = None) -> list[Trial]:
    """Read the trials of a VO, at a CE, or all; also those that are over since a while."""
    query = _TRIALS
    if vo is not None:
        query = query.where(vos.c.name == vo)
    if ce is not None:
        query = query.where(ces.c.name == ce)
    return [Trial(**row) for row in tx.execute(query).mappings()]


def save(tx: Transaction, some: Collection[Trial]) -> None:
    """Store trials. Those of a VO or CE that was removed meanwhile are left out."""
    if some:
        names = tuple(_STORED)
        values = ([getattr(trial, name) for name in names] for trial in some)
        tx.execute(_save(tx.dialect), encode(names, values))


def end(tx: Transaction, ce: str, vo_names: Collection[str]) -> None:
    """Delete the trials of these VOs at a CE."""
    if vo_names:
        tx.execute(
            delete(trials).where(
                trials.c.ce_id.in_(select(ces.c.id).where(ces.c.name == ce)),
                trials.c.vo_id.in_(select(vos.c.id).where(vos.c.name.in_(vo_names))),
            )
        )


_STORED = {
    "vo": Text,
    "ce": Text,
    "most": Integer,
    "failures": Integer,
    "retry_at": UtcDateTime,
    "refused_at": UtcDateTime,
    "reason": Text,
}
_VALUES = [name for name in _STORED if name not in ("vo", "ce")]
_NAMES = (vos.c.name.label("vo"), ces.c.name.label("ce"))
_TRIALS = (
    select(*_NAMES, *(trials.c[name] for name in _VALUES))
    .join_from(trials, vos, vos.c.id == trials.c.vo_id)
    .join(ces, ces.c.id == trials.c.ce_id)
    .order_by(ces.c.name, vos.c.name)
)


@cache
def _save(dialect: str) -> Executable:
    new = rows(dialect, **_STORED)
    source = (
        select(vos.c.id, ces.c.id, *(new.c[name] for name in _VALUES))
        .join_from(new, vos, vos.c.name == new.c.vo)
        .join(ces, ces.c.name == new.c.ce)
        .where(true())
    )
    insertion = insert_selected(dialect, trials, ["vo_id", "ce_id", *_VALUES], source)
    return replacing(insertion, trials, _VALUES)
