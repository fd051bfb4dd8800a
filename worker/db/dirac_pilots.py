"""Pilots that other programs send and report on: registering, locking, and setting a reason."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Executable, Select, Text, bindparam, update
from sqlalchemy.types import Integer

from worker.db.mover import move
from worker.db.pilot_reads import PILOTS
from worker.db.rows import encode, insert_new, rows
from worker.db.slots import lock_rooms
from worker.db.tables import pilots
from worker.db.types import UtcDateTime
from worker.db.uow import Transaction
from worker.domain.errors import AlreadyExists, NoFreeSlot
from worker.domain.pilot import Grant, Move, Pilot, Status


def register(tx: Transaction, stamp: str, vo: str, ce: str, reason: str, now: datetime) -> int:
    """Hold a slot for a pilot that somebody else sends; return its id.

    It is in doubt, like a pilot that Pilotage is sending: no dispatch sends it, and the listings of
    its CE show whether it arrived. All limits apply as to a reservation.
    """
    room = lock_rooms(tx, [Grant(vo=vo, ce=ce, count=1)])
    made = insert_new(
        tx,
        pilots,
        stamp=stamp,
        vo_id=room.vo_ids[vo],
        ce_id=room.ce_ids[ce],
        status=Status.RESERVED,
        reserved_at=now,
        updated_at=now,
    )
    if made is None:
        raise AlreadyExists("pilot", stamp)
    if not room.take(vo, ce, 1):
        raise NoFreeSlot(f"CE {ce}", f"VO {vo}")
    claim = Move(pilot_id=made, was=Status.RESERVED, to=Status.SUBMITTING, reason=reason)
    move(tx, [claim], now)
    return made


def lock(tx: Transaction, stamps: Iterable[str]) -> dict[str, Pilot]:
    """Return the pilots of these stamps, locked in the order of their keys.

    A stamp without a pilot is left out.
    """
    listing = tx.execute(_locked(tx.dialect), encode(("stamp",), ([stamp] for stamp in stamps)))
    locked = [Pilot._make(row) for row in listing]
    return {pilot.stamp: pilot for pilot in locked}


def set_reasons(tx: Transaction, reasons: Mapping[int, str], now: datetime) -> None:
    """Set the reason of the status of pilots. The next answer of their CE replaces it."""
    if reasons:
        parameters = encode(("pilot_id", "reason"), reasons.items())
        tx.execute(_set_reasons(tx.dialect), {**parameters, "now": now})


@cache
def _locked(dialect: str) -> Select[Any]:
    stamps = rows(dialect, stamp=Text)
    return (
        PILOTS.join(stamps, pilots.c.stamp == stamps.c.stamp)
        .order_by(pilots.c.id)
        .with_for_update(of=pilots, key_share=True)
    )


@cache
def _set_reasons(dialect: str) -> Executable:
    new = rows(dialect, pilot_id=Integer, reason=Text)
    return (
        update(pilots)
        .where(pilots.c.id == new.c.pilot_id)
        .values(reason=new.c.reason, updated_at=bindparam("now", type_=UtcDateTime()))
    )
