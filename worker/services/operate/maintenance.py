"""Maintenances of CEs: added, listed, removed."""

from datetime import datetime

from worker.db import maintenances
from worker.db.database import Database
from worker.db.maintenances import Maintenance
from worker.domain.errors import ConfirmationNeeded


def add(database: Database, ce: str, begins_at: datetime, ends_at: datetime, reason: str) -> int:
    """Add a maintenance; return its id."""
    maintenance = Maintenance(ce=ce, begins_at=begins_at, ends_at=ends_at, reason=reason)
    with database.uow() as tx:
        return maintenances.add(tx, maintenance)


def find(database: Database, ce: str | None, now: datetime) -> list[Maintenance]:
    """Return the maintenances that are not over, of one CE or of all."""
    with database.uow() as tx:
        return maintenances.find(tx, ce, now)


def remove(database: Database, ce: str, which: int, *, yes: bool) -> None:
    if not yes:
        would = f"this would remove maintenance {which} of CE {ce}"
        raise ConfirmationNeeded(would, "say --yes if you mean it")
    with database.uow() as tx:
        maintenances.remove(tx, ce, which)
