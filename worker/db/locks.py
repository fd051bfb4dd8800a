"""Locks for one unit of work, leases that last while a CE is called, and allowances of rates.

The table `leases` has two kinds of rows. A lease has a `holder`, and `until` says when it runs out.
An allowance is what a rate, such as the calls of a CE in a minute, still permits: so many `tokens`
at the moment `filled_at`. These are not the tokens of the API, which `tokens.py` keeps.

A busy lock is no error. That limits hold, that statuses are right and that a pilot is sent once
does not depend on this module: its locks and leases only keep executions from doing the same work,
and allowances keep a CE from being called too often. Two things do depend on the lease of a CE: an
execution that has lost it sends nothing more, and a check that has lost it counts no pilot as
missing. A listing needs no lease: it is compared with the moment of each claim.
"""

from datetime import datetime, timedelta
from zlib import crc32

from sqlalchemy import bindparam, or_, select, text, update

from worker.db.engine import POSTGRESQL
from worker.db.rows import insert_new, put
from worker.db.tables import leases
from worker.db.types import UtcDateTime
from worker.db.uow import Transaction

_SPACE = 0x70696C6F


def try_lock(tx: Transaction, name: str) -> bool:
    """Take a lock until the unit of work ends; return whether it was free.

    On SQLite it is always free: there a unit of work is the only writer.
    """
    if tx.dialect != POSTGRESQL:
        return True
    query = text("SELECT pg_try_advisory_xact_lock(:space, :key)")
    return bool(tx.execute(query, _lock(name)).scalar_one())


def wait_for_lock(tx: Transaction, name: str) -> None:
    """Take a lock until the unit of work ends; wait until it is free."""
    if tx.dialect == POSTGRESQL:
        tx.execute(text("SELECT pg_advisory_xact_lock(:space, :key)"), _lock(name))


def _lock(name: str) -> dict[str, int]:
    return {"space": _SPACE, "key": crc32(name.encode()) - 2**31}


def take_lease(tx: Transaction, name: str, holder: str, now: datetime, length: timedelta) -> bool:
    """Take a lease for a time, or renew the holder's own; return whether that was possible."""
    free = or_(leases.c.holder.is_(None), leases.c.holder == holder, leases.c.until <= now)
    return put(tx, leases, {"name": name}, {"holder": holder, "until": now + length}, where=free)


def extend_lease(tx: Transaction, name: str, holder: str, now: datetime, length: timedelta) -> bool:
    """Extend a lease; return whether this holder still had it."""
    extended = tx.execute(
        update(leases)
        .where(leases.c.name == name, leases.c.holder == holder)
        .values(until=now + length)
    )
    return bool(extended.rowcount)


def release_lease(tx: Transaction, name: str, holder: str) -> bool:
    """Give a lease back; return whether this holder still had it."""
    released = tx.execute(
        update(leases)
        .where(leases.c.name == name, leases.c.holder == holder)
        .values(holder=None, until=None)
    )
    return bool(released.rowcount)


def use_allowance(tx: Transaction, rate: str, wanted: int, per_minute: float, now: datetime) -> int:
    """Use up to `wanted` of what a rate still allows; return how many.

    The allowance grows by `per_minute`, up to that of one minute, but at least to one. So within
    any minute no more than twice the rate is used, and over a long time no more than the rate.
    """
    insert_new(tx, leases, name=rate)
    query = select(leases.c.tokens, leases.c.filled_at).where(leases.c.name == rate)
    row = tx.execute(query.with_for_update()).one()
    most = max(1.0, per_minute)
    available = most
    if row.filled_at is not None:
        since = max(0.0, (now - row.filled_at).total_seconds())
        available = min(most, row.tokens + since / 60 * per_minute)
    used = min(wanted, int(available))
    tx.execute(
        update(leases)
        .where(leases.c.name == rate)
        .values(tokens=available - used, filled_at=bindparam("filled", now, type_=UtcDateTime()))
    )
    return used
