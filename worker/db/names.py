"""From names to keys."""

from sqlalchemy import Table, select

from worker.db.tables import vos
from worker.db.uow import Transaction
from worker.domain.errors import UnknownCE, UnknownVO


def key_of(tx: Transaction, table: Table, name: str) -> int:
    """Look up the key of a VO or CE.

    A list that is asked for by key is planned for what is known of that key.
    """
    found: int | None = tx.execute(
        select(table.c.id).where(table.c.name == name)
    ).scalar_one_or_none()
    if found is None:
        raise (UnknownVO if table is vos else UnknownCE)(name)
    return found
