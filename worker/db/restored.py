"""Preparation of a database that was restored from a backup, before anything works on it.

Its state is older than that of the CEs. Pilots that are reserved in it may have been sent after the
backup, with their stamps: they are put in doubt, and keep their slots until a listing of their CE
settles them. Pilots that were made and sent after the backup are at the CEs, but not in the
database: nothing is sent to a CE before these jobs were adopted and a listing shows no unknown job.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select, text

from worker.db import health, mover, sending
from worker.db.engine import POSTGRESQL
from worker.db.sending import SendingChange
from worker.db.tables import ce_health, has_status, leases, pilots, transitions
from worker.db.uow import Transaction
from worker.domain.pilot import Move, Status
from worker.domain.sending import Sending

REASON = "restored from a backup: adopt what it does not know, then resume"
IDS_LEFT_OUT = 1_000_000
"""So many ids of pilots and transitions are skipped: some of them were used after the backup."""


@dataclass(frozen=True, kw_only=True)
class Settled:
    """How many pilots were put in doubt, and which CEs are held."""

    in_doubt: int
    held: list[str]


def settle(tx: Transaction, now: datetime) -> Settled:
    """Put reserved pilots in doubt, hold every CE, and delete all leases and allowances."""
    held = _hold(tx, now)
    tx.execute(delete(leases))
    _leave_ids_out(tx)
    reserved = tx.execute(select(pilots.c.id).where(has_status([Status.RESERVED]))).scalars()
    moves = [
        Move(pilot_id=i, was=Status.RESERVED, to=Status.SUBMITTING, reason=REASON) for i in reserved
    ]
    return Settled(in_doubt=len(mover.move(tx, moves, now).moved), held=held)


def _hold(tx: Transaction, now: datetime) -> list[str]:
    """Hold every CE without an end; CEs that are already held so stay as they are."""
    changes = [
        SendingChange(
            ce=ce, was=was.sending, became=Sending.HELD, reason=REASON, by_hand=True, at=now
        )
        for ce, was in sorted(health.get_all(tx).items())
        if was.sending is not Sending.HELD or was.held_until is not None
    ]
    tx.execute(
        ce_health.update()
        .where((ce_health.c.sending != Sending.HELD) | ce_health.c.held_until.is_not(None))
        .values(sending=Sending.HELD, sending_reason=REASON, sending_since=now, held_until=None)
    )
    tx.execute(ce_health.update().values(unreconciled_since=now))
    sending.add(tx, changes)
    return [change.ce for change in changes]


def _leave_ids_out(tx: Transaction) -> None:
    for table in (pilots, transitions):
        last = tx.execute(select(func.coalesce(func.max(table.c.id), 0))).scalar_one()
        values = {"name": table.name, "last": int(last) + IDS_LEFT_OUT}
        if tx.dialect == POSTGRESQL:
            query = "SELECT setval(pg_get_serial_sequence(:name, 'id'), :last)"
            tx.execute(text(query), values)
        else:
            tx.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), values)
            insertion = "INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :last)"
            tx.execute(text(insertion), values)
