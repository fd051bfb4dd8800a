"""Checks of the names of CEs and VOs in requests."""

from worker.db import ces, vos
from worker.db.uow import Transaction


def require_places(tx: Transaction, ce: str | None, vo: str | None) -> None:
    """Refuse a CE or VO that does not exist."""
    if ce is not None:
        ces.get(tx, ce)
    if vo is not None:
        vos.get(tx, vo)
