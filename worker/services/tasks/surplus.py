"""Surplus: waiting pilots whose demand is gone, cancelled if the VO allows it.

The demand must have been low for some time; a short dip does not count, nor does an unknown demand.
"""

from datetime import timedelta

from worker.db import demands, pilot_reads, pilots
from worker.db.uow import Transaction
from worker.services.facts import Situation

AFTER = timedelta(minutes=10)
"""How long more pilots than are wanted must wait before any is cancelled."""


def settle(tx: Transaction, situation: Situation) -> int:
    """Note that more pilots wait than are wanted, or cancel some; return how many."""
    vo = situation.vo
    if not vo.cancel_surplus:
        return 0
    demand = situation.demand_of(vo)
    waiting = sum(ce.vo_waiting for ce in situation.ces)
    too_many = waiting - demand.demand if demand.certain and demand.demand is not None else 0
    since = situation.answers.get(vo.name, demands.NONE).surplus_since
    if too_many <= 0:
        if since is not None:
            demands.surplus_since(tx, vo.name, None)
        return 0
    if since is None:
        demands.surplus_since(tx, vo.name, situation.now)
        return 0
    return cancel(tx, situation, too_many) if situation.now - since >= AFTER else 0


def cancel(tx: Transaction, situation: Situation, count: int) -> int:
    """Cancel waiting pilots of a VO, unsent ones first; the others end at their next check."""
    unsent, sent = pilot_reads.waiting_of(tx, situation.vo.name, count)
    reason = "surplus: the demand has gone"
    return pilots.cancel(
        tx, dict.fromkeys(unsent, reason), dict.fromkeys(sent, reason), situation.now
    )
