"""Idle pilots: those that report idle for longer than their VO allows, while it needs no pilots.

Only a pilot's own reports count: a pilot that reported idle once, and nothing since, may have work
by now. A VO needs no pilots if its demand is certainly 0, or if its pilots find no work. If the
source of a VO counts all pilots, as many as it wants are kept.
"""

from datetime import timedelta
from math import inf

from worker.db import pilot_reads, pilot_reports, vos, work
from worker.db.uow import Transaction
from worker.domain.lengths import as_option
from worker.domain.vo import VO
from worker.services.current_demand import CurrentDemand, DemandFacts
from worker.services.runtime import Runtime


def idle_for_long(tx: Transaction, runtime: Runtime) -> dict[int, str]:
    """Return the pilots to end, with reasons: at most one batch.

    If no VO limits the idle time, no pilot is read.
    """
    surpluses = _surpluses(tx, runtime)
    if not surpluses:
        return {}
    limits = {vo.id: vo for vo in vos.get_all(tx) if vo.name in surpluses}
    ends: dict[int, str] = {}
    for one in pilot_reports.idle(tx, limits):
        vo = limits[one.vo_id]
        if (
            _is_late(one.report.idle_for, vo)
            and surpluses[vo.name] > 0
            and len(ends) < runtime.batch
        ):
            ends[one.pilot_id] = _reason(vo)
            surpluses[vo.name] -= 1
    return ends


def _surpluses(tx: Transaction, runtime: Runtime) -> dict[str, float]:
    """For each VO that limits the idle time, return how many pilots it does not need now."""
    limited = [vo for vo in vos.get_all(tx) if vo.idle_at_most is not None]
    if not limited:
        return {}
    facts, without_work = DemandFacts.read(tx, limited), work.without_work(tx)
    now = runtime.now()
    surpluses: dict[str, float] = {}
    for vo in limited:
        current, (occupying, _) = facts.of(vo, now), facts.pilots_of(vo)
        is_free = vo.name in without_work
        surpluses[vo.name] = inf if is_free else _surplus(vo, current, occupying)
    if any(0 < surplus < inf for surplus in surpluses.values()):
        # Pilots whose cancellation was requested still occupy slots, so they are subtracted.
        for name, ending in pilot_reads.count_ending(tx).items():
            surpluses[name] = surpluses.get(name, 0) - ending
    return {name: surplus for name, surplus in surpluses.items() if surplus > 0}


def _surplus(vo: VO, current: CurrentDemand, occupying: int) -> float:
    if not current.certain or current.demand != 0:
        return 0
    kept = vo.demand_min if current.wanted is None else current.wanted
    return inf if kept is None else occupying - kept


def _is_late(idle_for: timedelta, vo: VO) -> bool:
    return vo.idle_at_most is not None and idle_for > vo.idle_at_most


def _reason(vo: VO) -> str:
    most = as_option(vo.idle_at_most) if vo.idle_at_most else ""
    return f"it said idle for longer than {most}, the most that VO {vo.name} allows"
