"""VOs: the owners of pilots."""

from dataclasses import asdict, fields, replace
from typing import Any

from sqlalchemy import delete, exists, select, update

from worker.db import demands
from worker.db.changes import note, why
from worker.db.names import unknown
from worker.db.pages import FIRST, Page, PageRequest, contains, read_page
from worker.db.rows import insert_new
from worker.db.tables import pilots, vos
from worker.db.uow import Transaction
from worker.domain.errors import AlreadyExists, InUse
from worker.domain.vo import DEFAULT_VO, VO

_COLUMNS = [vos.c[field.name] for field in fields(VO)]
SORTS = {
    "name": vos.c.name,
    "id": vos.c.id,
}


def add(tx: Transaction, vo: VO) -> int:
    """Add a VO; return its id."""
    made = insert_new(tx, vos, **_values(vo))
    if made is None:
        raise AlreadyExists("VO", vo.name, f"change it with 'pilotage vo set {vo.name}'")
    note(tx, "vo", vo.name, "add", after=_values(vo))
    return made


def get(tx: Transaction, name: str, *, locked: bool = False) -> VO:
    """Read a VO. With `locked`, nobody else can change it before the end of the unit of work."""
    query = select(*_COLUMNS).where(vos.c.name == name)
    query = query.with_for_update(key_share=True) if locked else query
    row = tx.execute(query).mappings().one_or_none()
    if row is None:
        raise unknown(tx, vos, name)
    return VO(**row)


def change(tx: Transaction, name: str, /, **changes: Any) -> VO:
    """Change some of a VO's values; the others stay. The audit keeps the reason.

    With another source, the answer of the old one is forgotten.
    """
    before, reason = get(tx, name, locked=True), changes.pop("reason", None)
    vo = replace(before, **changes)
    if name == DEFAULT_VO != vo.name:
        raise InUse("VO", name, "it is used wherever no VO is named")
    if vo.name != name and tx.execute(select(exists().where(vos.c.name == vo.name))).scalar_one():
        raise AlreadyExists("VO", vo.name)
    if vo.source != before.source:
        demands.forget(tx, name)
    tx.execute(update(vos).where(vos.c.id == vo.id).values(_values(vo)))
    note(tx, "vo", name, "set", _values(before), {**_values(vo), **why(reason)})
    return vo


def remove(tx: Transaction, name: str) -> None:
    """Remove a VO that has no pilots, not even final ones."""
    vo = get(tx, name)
    if name == DEFAULT_VO:
        raise InUse("VO", name, "it is used wherever no VO is named")
    if tx.execute(select(exists().where(pilots.c.vo_id == vo.id))).scalar_one():
        raise InUse("VO", name, "it has pilots, active or in the history")
    tx.execute(delete(vos).where(vos.c.id == vo.id))
    note(tx, "vo", name, "remove", before=_values(vo))


def get_all(tx: Transaction) -> list[VO]:
    listing = tx.execute(select(*_COLUMNS).order_by(vos.c.name)).mappings()
    return [VO(**row) for row in listing]


def names(tx: Transaction) -> list[str]:
    return list(tx.execute(select(vos.c.name).order_by(vos.c.name)).scalars())


def with_source(tx: Transaction) -> list[str]:
    """Return the enabled VOs whose demand comes from a source."""
    query = select(vos.c.name).where(vos.c.source.is_not(None), vos.c.enabled)
    return list(tx.execute(query.order_by(vos.c.name)).scalars())


def find(
    tx: Transaction,
    *,
    search: str | None = None,
    enabled: bool | None = None,
    asked: PageRequest = FIRST,
) -> Page[VO]:
    """List VOs: with this text in their name, and enabled or not, if given."""
    query = select(*_COLUMNS)
    if search is not None:
        query = query.where(contains(vos.c.name, search))
    if enabled is not None:
        query = query.where(vos.c.enabled == enabled)
    return read_page(tx, query, vos.c.id, SORTS, asked, lambda row: VO(**row))


def _values(vo: VO) -> dict[str, Any]:
    values = asdict(vo)
    del values["id"]
    return values
