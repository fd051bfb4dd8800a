"""CEs: the places that run pilots, and which VOs may use them."""

from collections.abc import Collection
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import delete, exists, insert, select, update

from worker.db.changes import note, why
from worker.db.names import unknown
from worker.db.pages import FIRST, Page, PageRequest, contains, read_page
from worker.db.rows import has_string, insert_new
from worker.db.tables import ce_health, ce_vos, ces, pilots, vos
from worker.db.uow import Transaction
from worker.domain.ce import CE
from worker.domain.errors import AlreadyExists, InUse

_COLUMNS = [ces.c[field.name] for field in fields(CE)]
SORTS = {
    "name": ces.c.name,
    "capacity": ces.c.capacity,
    "success_rate": ces.c.success_rate,
    "id": ces.c.id,
}


def add(tx: Transaction, ce: CE) -> int:
    """Add a CE, with an empty record of its health; return its id."""
    made = insert_new(tx, ces, **_values(ce))
    if made is None:
        raise AlreadyExists("CE", ce.name, f"change it with 'pilotage ce set {ce.name}'")
    tx.execute(insert(ce_health).values(ce_id=made, learned={}))
    note(tx, "ce", ce.name, "add", after=_values(ce))
    return made


def get(tx: Transaction, name: str, *, locked: bool = False) -> CE:
    """Read a CE. With `locked`, nobody else can change it before the end of the unit of work."""
    query = select(*_COLUMNS).where(ces.c.name == name)
    query = query.with_for_update(key_share=True) if locked else query
    row = tx.execute(query).mappings().one_or_none()
    if row is None:
        raise unknown(tx, ces, name)
    return CE(**row)


def change(tx: Transaction, name: str, /, **changes: Any) -> CE:
    """Change some of a CE's values; the others stay. The audit keeps the reason."""
    before, reason = get(tx, name, locked=True), changes.pop("reason", None)
    ce = replace(before, **changes)
    if ce.name != name and _named(tx, ce.name):
        raise AlreadyExists("CE", ce.name)
    tx.execute(update(ces).where(ces.c.id == ce.id).values(_values(ce)))
    note(tx, "ce", name, "set", _values(before), {**_values(ce), **why(reason)})
    return ce


def remove(tx: Transaction, name: str) -> None:
    """Remove a CE that has no pilots, not even final ones."""
    ce = get(tx, name)
    if tx.execute(select(exists().where(pilots.c.ce_id == ce.id))).scalar_one():
        raise InUse("CE", name, "it has pilots, active or in the history")
    tx.execute(delete(ces).where(ces.c.id == ce.id))
    note(tx, "ce", name, "remove", before=_values(ce))


def find(
    tx: Transaction,
    *,
    search: str | None = None,
    backend: str | None = None,
    enabled: bool | None = None,
    draining: bool | None = None,
    tags: Collection[str] = (),
    asked: PageRequest = FIRST,
) -> Page[CE]:
    """List the CEs with this text in their name, with these values and with all of these tags."""
    query = select(*_COLUMNS)
    if search is not None:
        query = query.where(contains(ces.c.name, search))
    for column, value in (
        ("backend", backend),
        ("enabled", enabled),
        ("draining", draining),
    ):
        if value is not None:
            query = query.where(ces.c[column] == value)
    for tag in tags:
        query = query.where(has_string(tx, ces.c.tags, tag))
    return read_page(tx, query, ces.c.id, SORTS, asked, lambda row: CE(**row))


def names(tx: Transaction) -> list[str]:
    return list(tx.execute(select(ces.c.name).order_by(ces.c.name)).scalars())


def of_backends(tx: Transaction, backends: Collection[str]) -> list[CE]:
    """Read all CEs of these back-ends."""
    query = select(*_COLUMNS).where(ces.c.backend.in_(sorted(backends))).order_by(ces.c.name)
    return [CE(**row) for row in tx.execute(query).mappings()]


def success_rates(tx: Transaction) -> dict[str, float]:
    """Read the configured success rate of every CE."""
    return {
        row.name: row.success_rate for row in tx.execute(select(ces.c.name, ces.c.success_rate))
    }


def allowed_by_ce(tx: Transaction) -> dict[str, frozenset[str]]:
    """Return, for each CE that is not open to all, the VOs that may use it."""
    query = (
        select(ces.c.name.label("ce"), vos.c.name.label("vo"))
        .select_from(
            ces.outerjoin(ce_vos, ce_vos.c.ce_id == ces.c.id).outerjoin(
                vos, vos.c.id == ce_vos.c.vo_id
            )
        )
        .where(~ces.c.open_to_all)
    )
    by_ce: dict[str, set[str]] = {}
    for row in tx.execute(query):
        by_ce.setdefault(row.ce, set()).update({row.vo} - {None})
    return {ce: frozenset(names) for ce, names in by_ce.items()}


def drains_over(tx: Transaction, now: datetime) -> list[str]:
    """Return the CEs whose time to drain is over."""
    query = select(ces.c.name).where(ces.c.draining, ces.c.drain_by <= now)
    return list(tx.execute(query.order_by(ces.c.name)).scalars())


def allow(tx: Transaction, name: str, vo_names: Collection[str]) -> None:
    """Open a CE to these VOs only; without any, open it to all VOs again."""
    ce, before = get(tx, name), allowed(tx, name)
    unique_names = set(vo_names)
    vo_rows = tx.execute(select(vos.c.id, vos.c.name).where(vos.c.name.in_(unique_names))).all()
    for missing in sorted(unique_names - {row.name for row in vo_rows}):
        raise unknown(tx, vos, missing)
    tx.execute(delete(ce_vos).where(ce_vos.c.ce_id == ce.id))
    if vo_rows:
        tx.execute(insert(ce_vos), [{"ce_id": ce.id, "vo_id": row.id} for row in vo_rows])
    tx.execute(update(ces).where(ces.c.id == ce.id).values(open_to_all=not vo_rows))
    note(
        tx,
        "ce",
        name,
        "set",
        {"open_to_all": ce.open_to_all, "only_for": before},
        {"open_to_all": not vo_rows, "only_for": sorted(unique_names)},
    )


def allowed(tx: Transaction, name: str) -> list[str]:
    """Return the VOs that a CE is open to; the list is empty if it is open to all."""
    query = (
        select(vos.c.name)
        .join_from(ce_vos, vos, ce_vos.c.vo_id == vos.c.id)
        .where(ce_vos.c.ce_id == get(tx, name).id)
        .order_by(vos.c.name)
    )
    return list(tx.execute(query).scalars())


def _named(tx: Transaction, name: str) -> bool:
    return bool(tx.execute(select(exists().where(ces.c.name == name))).scalar_one())


def _values(ce: CE) -> dict[str, Any]:
    values = {field.name: getattr(ce, field.name) for field in fields(ce)}
    del values["id"]
    values["options"] = dict(ce.options)
    return values
