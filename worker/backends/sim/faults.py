"""Switching faults of a simulated CE on and off, while it runs.

    switch_on(uow, "ce01", Fault.DOWN, until=now + timedelta(minutes=5))
    switch_on(uow, "ce01", Fault.FAILS_FAST, rate=0.3)
    switch_off(uow, "ce01", Fault.FAILS_FAST)

A fault belongs to its CE and applies to every caller. Its effects on jobs stay when it is switched
off.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, insert, select

from worker.backends.sim import memory
from worker.backends.sim.kinds import (
    DEFAULTS,
    WHOLE_CALL,
    Active,
    Fault,
    FaultSettings,
    keys,
    read_settings,
)
from worker.backends.sim.memory import sim_faults
from worker.backends.sim.mishaps import strike
from worker.db.uow import Transaction, UnitOfWork
from worker.domain.checks import between
from worker.domain.errors import Invalid
from worker.domain.nearest import nearest

__all__ = [
    "DEFAULTS",
    "WHOLE_CALL",
    "Active",
    "Fault",
    "FaultSettings",
    "active",
    "keys",
    "read",
    "switch_off",
    "switch_on",
]

_FAULT = sim_faults.c


def switch_on(
    uow: UnitOfWork,
    ce: str,
    fault: str,
    rate: float = 1.0,
    until: datetime | None = None,
    *,
    since: datetime | None = None,
    now: datetime | None = None,
    **settings: Any,
) -> Active:
    """Switch a fault on; it replaces the same fault with other settings.

    Unless it begins later, the fault is applied at once to the jobs that have not ended.
    """
    kind = _named(fault)
    between("rate", rate, 0, 1)
    moment = now or datetime.now(UTC)
    if until is not None and until <= max(moment, since or moment):
        raise Invalid("until", f"{until} is over before it begins")
    new = Active(
        fault=kind, rate=rate, settings=read_settings(kind, settings), since=since, until=until
    )
    with uow() as tx:
        _store(tx, ce, new)
        if since is None or since <= moment:
            _strike_all(tx, ce, new, moment)
    return new


def switch_off(uow: UnitOfWork, ce: str, fault: str | None = None) -> list[Fault]:
    """Switch a fault off, or all faults; return the faults that were on."""
    query = delete(sim_faults).where(_FAULT.ce == ce).returning(_FAULT.fault)
    if fault is not None:
        query = query.where(_FAULT.fault == _named(fault))
    with uow() as tx:
        return sorted(Fault(word) for word in tx.execute(query).scalars())


def active(uow: UnitOfWork, ce: str, now: datetime | None = None) -> list[Active]:
    """Return the faults that are active at a CE now."""
    with uow() as tx:
        return list(read(tx, ce, now or datetime.now(UTC)).values())


def read(tx: Transaction, ce: str, now: datetime) -> Mapping[Fault, Active]:
    """Return the faults that are active at a CE at this time, in the order of the enumeration."""
    query = select(sim_faults).where(_FAULT.ce == ce)
    stored = {row.fault: row for row in tx.execute(query)}
    return {
        fault: Active(
            fault=fault,
            rate=row.rate,
            settings=FaultSettings(**row.settings),
            since=row.since,
            until=row.until,
        )
        for fault, row in ((fault, stored.get(fault)) for fault in Fault)
        if row
        and (row.since is None or row.since <= now)
        and (row.until is None or now < row.until)
    }


def _store(tx: Transaction, ce: str, active: Active) -> None:
    tx.execute(delete(sim_faults).where(_FAULT.ce == ce, _FAULT.fault == active.fault))
    values = {
        "ce": ce,
        "fault": active.fault,
        "rate": active.rate,
        "settings": active.settings.model_dump(mode="json"),
        "since": active.since,
        "until": active.until,
    }
    tx.execute(insert(sim_faults).values(values))


def _strike_all(tx: Transaction, ce: str, active: Active, now: datetime) -> None:
    if active.fault in WHOLE_CALL:
        return
    jobs = [(job, strike(job, active, now)) for job in memory.not_ended_by(tx, (ce,), now)]
    memory.change(tx, [struck for job, struck in jobs if struck != job])


def _named(fault: str) -> Fault:
    if fault not in set(Fault):
        raise Invalid(f"fault {fault!r}", nearest(fault, map(str, Fault)))
    return Fault(fault)
