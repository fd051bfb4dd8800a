"""Changes: who changed what of the inventory, or of what else an operator owns, and when.

The functions of `worker.db` that change such an object note it here, so the layers above cannot
forget it. All that a unit of work does to one object is one row. It is written at the end of the
unit of work and committed with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import JSON, Executable, Text, bindparam, func, insert, or_, select

from worker.db.engine import POSTGRESQL
from worker.db.pages import FIRST, Page, PageRequest, read_page
from worker.db.pilot_search import begins_with
from worker.db.rows import encode, rows
from worker.db.tables import changes
from worker.db.types import UtcDateTime
from worker.db.uow import Transaction
from worker.domain.change import LONGEST, Door, ObjectChange
from worker.domain.secrets import without_secrets
from worker.domain.texts import legible


@dataclass(frozen=True, kw_only=True)
class RecordedChange:
    """One stored change: when, by whom and by which door what was done to which object."""

    at: datetime
    who: str
    what: str
    kind: str
    name: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    door: Door


_OWN = ("who", "what", "kind", "name", "before", "after", "door")
_COLUMNS = [changes.c[name] for name in RecordedChange.__dataclass_fields__]
SORTS = {"at": changes.c.at, "id": changes.c.id}


def note(
    tx: Transaction,
    kind: str,
    name: str,
    verb: str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Note a change of an object, which is written at the end of the unit of work.

    `before` is `None` for a new object, `after` is `None` for an object that is removed.
    """
    change = ObjectChange(kind=kind, name=name, verb=verb, before=before, after=after)
    if not tx.changes:
        tx.before_commit(lambda: write_noted(tx))
    key = change.kind, change.name
    noted = tx.changes.get(key)
    tx.changes[key] = change if noted is None else noted.followed_by(change)


def why(reason: str | None) -> dict[str, str]:
    """Return the reason of a change as one of its values `after`."""
    return {} if reason is None else {"reason": reason}


def find(
    tx: Transaction,
    since: datetime,
    *,
    by: str | None = None,
    of: str | None = None,
    door: Door | None = None,
    asked: PageRequest = FIRST,
) -> Page[RecordedChange]:
    """List the changes since a moment: by this person, of this object, by this door, if given."""
    query = select(*_COLUMNS).where(changes.c.at >= since)
    if by is not None:
        query = query.where(
            or_(
                changes.c.who == by,
                begins_with(changes.c.who, f"{by}@"),
                begins_with(changes.c.who, f"{by} ("),
                changes.c.who.endswith(f" (for {by})", autoescape=True),
            )
        )
    if of is not None:
        query = query.where(changes.c.name == of)
    if door is not None:
        query = query.where(changes.c.door == door)
    return read_page(tx, query, changes.c.id, SORTS, asked, lambda row: RecordedChange(**row))


def write_noted(tx: Transaction) -> None:
    """Write the noted changes in one statement; objects that did not change are left out.

    This is done at the end of the unit of work, or earlier if it reads the changes itself.
    """
    written = [row for change in tx.changes.values() if (row := _row(tx, change)) is not None]
    tx.changes = {}
    if written:
        tx.execute(_insert(tx.dialect), {**encode(_OWN, written), **_moment(tx)})


def _row(tx: Transaction, change: ObjectChange) -> list[Any] | None:
    before, after = change.difference()
    if before == after == {}:
        return None
    what = tx.actor.command or f"{change.kind} {change.verb}"
    if tx.actor.reason:
        what = f"{what}: {legible(without_secrets(tx.actor.reason), LONGEST)}"
    return [tx.actor.who, what, change.kind, change.name, before, after, tx.actor.door]


def _moment(tx: Transaction) -> dict[str, Any]:
    return {} if tx.dialect == POSTGRESQL else {"at": datetime.now(UTC)}


@cache
def _insert(dialect: str) -> Executable:
    kinds: dict[str, Any] = dict.fromkeys(_OWN, Text)
    new = rows(dialect, **kinds | {"before": JSON, "after": JSON})
    # The time of the database, which all hosts share; SQLite's own has no fractions of a second.
    on_postgresql = dialect == POSTGRESQL
    at = func.clock_timestamp() if on_postgresql else bindparam("at", type_=UtcDateTime())
    return insert(changes).from_select(["at", *_OWN], select(at, new))
