"""Surplus: pilots that wait for a demand that has gone, cancelled where the VO allows it.

A demand that has been low for a while counts, not one that dips; and never one that is not known.
"""

from datetime import timedelta

from worker.db import demands, pilot_reads, pilots
from worker.db.uow import Transaction
from worker.services.facts import Situation

AFTER = timedelta(minutes=10)
"""More pilots than are wanted wait for so long before any is cancelled."""


def settle(tx: Transaction, found: Situation) -> int:
    """Note that more pilots wait than are wanted, or cancel them; tell how many were told to go."""
    vo = found.vo
    if not vo.cancel_surplus:
        return 0
    known = found.demand_of(vo)
    waiting = sum(ce.vo_waiting for ce in found.ces)
    too_many = waiting - known.demand if known.certain and known.demand is not None else 0
    since = found.answers.get(vo.name, demands.NONE).surplus_since
    if too_many <= 0:
        if since is not None:
            demands.surplus_since(tx, vo.name, None)
        return 0
    if since is None:
        demands.surplus_since(tx, vo.name, found.now)
        return 0
    return cancel(tx, found, too_many) if found.now - since >= AFTER else 0


def cancel(tx: Transaction, found: Situation, count: int) -> int:
    """Cancel waiting pilots of a VO, those never sent first; their CEs are asked by the checks."""
    unsent, sent = pilot_reads.waiting_of(tx, found.vo.name, count)
    return pilots.cancel_waiting(tx, unsent, sent, "surplus: the demand has gone", found.now)
