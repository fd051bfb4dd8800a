"""Simple operations on one CE or one pilot, in the default VO.

Each calls its bulk form with a set of one; Pilotage itself calls the bulk forms. These operations
are for programs that use the data layer, and a good place to begin reading. Their names and
meanings do not change.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import RowMapping, select

from worker.db import ces, mover, pilot_reads, pilots, slots
from worker.db.tables import ces as ce_table
from worker.db.tables import pilots as pilot_table
from worker.db.uow import Transaction
from worker.domain.ce import CE
from worker.domain.errors import IllegalMove, NoFreeSlot
from worker.domain.pilot import Grant, Move, Status
from worker.domain.vo import DEFAULT_VO


def add_ce(
    tx: Transaction,
    name: str,
    capacity: int,
    success_rate: float,
    enabled: bool = True,  # noqa: FBT001, FBT002 - the operation is fixed
    *,
    backend: str = "sim",
) -> int:
    """Add a CE; return its id."""
    ce = CE(
        name=name,
        backend=backend,
        capacity=capacity,
        success_rate=success_rate,
        enabled=enabled,
    )
    return ces.add(tx, ce)


def get_available_ces(tx: Transaction) -> Sequence[RowMapping]:
    """Read name, capacity, success_rate and available_slots of the CEs with a free slot."""
    return slots.available_ces(tx)


def submit_pilot(tx: Transaction, ce_name: str) -> int:
    """Record one pilot as submitted to a CE; return its id."""
    now = datetime.now(UTC)
    reserved = pilots.reserve(tx, [Grant(vo=DEFAULT_VO, ce=ce_name, count=1)], now)
    if not reserved:
        raise NoFreeSlot(ce_name)
    pilot_id = reserved[0].pilot_id
    for status in (Status.SUBMITTING, Status.SUBMITTED):
        mover.move(tx, [Move(pilot_id=pilot_id, to=status)], now)
    return pilot_id


def update_pilot_status(tx: Transaction, pilot_id: int, status: Status) -> None:
    """Move one pilot to another status."""
    moved = mover.move(tx, [Move(pilot_id=pilot_id, to=Status(status))], datetime.now(UTC))
    if moved.refused:
        before = pilot_reads.get(tx, pilot_id).status
        raise IllegalMove(f"pilot {pilot_id}", f"{before} to {status}")


def get_pilots_by_status(tx: Transaction, status: Status) -> Sequence[RowMapping]:
    """Read pilot_id, ce_name, status and submitted_at of the pilots in a status."""
    query = (
        select(
            pilot_table.c.id.label("pilot_id"),
            ce_table.c.name.label("ce_name"),
            pilot_table.c.status,
            pilot_table.c.submitted_at,
        )
        .join_from(pilot_table, ce_table, pilot_table.c.ce_id == ce_table.c.id)
        .where(pilot_table.c.status == Status(status))
        .order_by(pilot_table.c.id)
    )
    return tx.execute(query).mappings().all()


def get_ce_success_rate(tx: Transaction, ce_name: str) -> float:
    """Read the configured success rate of a CE."""
    return ces.get(tx, ce_name).success_rate


def get_pilot_summary(tx: Transaction) -> dict[Status, int]:
    """Count pilots by status; a status that no pilot has is left out."""
    return pilot_reads.count_by_status(tx)
