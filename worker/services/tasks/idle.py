"""Idle pilots: those that say idle for longer than their VO allows, while it needs none.

What counts is what a pilot said itself: one that said idle once, and nothing since, may have work
by now. A VO needs none if its demand is surely 0, or if its pilots find no work.
"""

from datetime import timedelta

from worker.db import demands, pilot_reports, slots, vos, work
from worker.db.uow import Transaction
from worker.domain.lengths import typed
from worker.domain.vo import VO
from worker.services.runtime import Runtime
from worker.services.tasks.ask_demand import NO_PILOTS, current_demand


def idle_for_long(tx: Transaction, runtime: Runtime) -> dict[int, str]:
    """Return the pilots to end, each with the reason: one batch at most.

    Where no VO has set a longest time, no pilot is read.
    """
    limits = {vo.id: vo for vo in _without_need(tx, runtime)}
    if not limits:
        return {}
    idle = pilot_reports.idle(tx, limits)
    late = [one for one in idle if _is_late(one.report.idle_for, limits[one.vo_id])]
    return {one.pilot_id: _reason(limits[one.vo_id]) for one in late[: runtime.batch]}


def _without_need(tx: Transaction, runtime: Runtime) -> list[VO]:
    """Return the VOs that have set a longest time and need no pilots now."""
    limited = [vo for vo in vos.get_all(tx) if vo.idle_at_most is not None]
    if not limited:
        return []
    answers, without_work = demands.get_all(tx), work.without_work(tx)
    counts, now = slots.count_by_vo(tx), runtime.now()
    current = {
        name: current_demand(vo, answers.get(name, demands.NONE), now, counts.get(name, NO_PILOTS))
        for vo in limited
        for name in [vo.name]
    }
    is_sated = {name for name, one in current.items() if one.certain and one.demand == 0}
    return [vo for vo in limited if vo.name in is_sated or vo.name in without_work]


def _is_late(idle_for: timedelta, vo: VO) -> bool:
    return vo.idle_at_most is not None and idle_for > vo.idle_at_most


def _reason(vo: VO) -> str:
    most = typed(vo.idle_at_most) if vo.idle_at_most else ""
    return f"it said idle for longer than {most}, the most that VO {vo.name} allows"
