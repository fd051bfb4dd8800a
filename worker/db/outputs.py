"""Outputs: the end of the output of some failed pilots, kept as long as the pilots are."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from sqlalchemy import Executable, Integer, Text, bindparam, insert, select

from worker.db.rows import encode, rows
from worker.db.tables import outputs
from worker.db.types import UtcDateTime
from worker.db.uow import Transaction

LONGEST = 16 * 1024
"""How many characters of the end of an output are kept."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """The kept end of a pilot's output, and when it was kept."""

    text: str
    kept_at: datetime


def keep(tx: Transaction, texts: Mapping[int, str], now: datetime) -> None:
    """Keep the ends of outputs, by the ids of the pilots; an output that is already kept stays."""
    if not texts:
        return
    data = ((pilot_id, text[-LONGEST:]) for pilot_id, text in texts.items())
    tx.execute(_keep(tx.dialect), {**encode(("pilot_id", "text"), data), "now": now})


def get(tx: Transaction, pilot_id: int) -> Kept | None:
    """Read the kept end of a pilot's output."""
    query = select(outputs.c.text, outputs.c.kept_at).where(outputs.c.pilot_id == pilot_id)
    row = tx.execute(query).mappings().one_or_none()
    return None if row is None else Kept(**row)


@cache
def _keep(dialect: str) -> Executable:
    new = rows(dialect, pilot_id=Integer, text=Text)
    unkept = new.outerjoin(outputs, outputs.c.pilot_id == new.c.pilot_id)
    return insert(outputs).from_select(
        ["pilot_id", "text", "kept_at"],
        select(new.c.pilot_id, new.c.text, bindparam("now", type_=UtcDateTime()))
        .select_from(unkept)
        .where(outputs.c.pilot_id.is_(None)),
    )
