"""Look-up of VOs and CEs by name, and the errors about names that do not exist."""

from sqlalchemy import Table, select

from worker.db.tables import vos
from worker.db.uow import Transaction
from worker.domain.errors import NotFound, UnknownCE, UnknownVO
from worker.domain.nearest import nearest


def key_of(tx: Transaction, table: Table, name: str) -> int:
    """Return the key of a VO or CE.

    If a list is selected by this key and not by a join on the name, PostgreSQL plans it with the
    statistics of the key.
    """
    key: int | None = tx.execute(
        select(table.c.id).where(table.c.name == name)
    ).scalar_one_or_none()
    if key is None:
        raise unknown(tx, table, name)
    return key


def unknown(tx: Transaction, table: Table, name: str) -> NotFound:
    """Return the error about a VO or CE that does not exist, with the nearest name that does."""
    kind = UnknownVO if table is vos else UnknownCE
    return kind(name, nearest(name, names(tx, table)))


def names(tx: Transaction, table: Table) -> list[str]:
    """Read the names of all VOs or CEs."""
    return list(tx.execute(select(table.c.name).order_by(table.c.name)).scalars())
