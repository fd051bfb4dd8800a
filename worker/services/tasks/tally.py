"""tally: fold new moves into the counts and tallies that all other code reads."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from worker.db import call_tallies, locks, schedules, tallies
from worker.domain.tally import Grain
from worker.services.runtime import Runtime, TaskResult, busy

NAME = "tally"
KEPT: Mapping[Grain, tuple[Grain, timedelta]] = {
    Grain.MINUTE: (Grain.HOUR, timedelta(days=2)),
    Grain.HOUR: (Grain.DAY, timedelta(days=90)),
}
"""The grain into which each grain is folded, and after which time. Days are kept for ever."""

_UNTIL_FOLDED = timedelta(hours=1)
"""A margin for clocks that differ: another host may have folded a tally slightly earlier."""


def grain_at(moment: datetime, now: datetime) -> Grain:
    """Return the grain in which a moment is kept: minutes if it is recent, later hours and days."""
    grain = Grain.MINUTE
    for finer, (coarser, age) in KEPT.items():
        if now - moment >= age - _UNTIL_FOLDED and grain is finer:
            grain = coarser
    return grain


def tally(runtime: Runtime) -> TaskResult:
    """Fold new tallies, and old ones of minutes and hours into longer times."""
    now = runtime.now()
    with runtime.database.uow() as tx:
        if not locks.try_lock(tx, tallies.LOCK):
            return busy("another execution folds tallies")
        folded = tallies.fold(tx, tallies.FOLDED_AT_ONCE)
        most = tallies.FOLDED_AT_ONCE
        coarser = {
            f"old {grain}s": tallies.coarsen(tx, grain, into, now - age, most)
            + call_tallies.coarsen(tx, grain, into, now - age, most)
            for grain, (into, age) in KEPT.items()
        }
        if folded == tallies.FOLDED_AT_ONCE and not runtime.by_hand:
            schedules.bring_forward(tx, NAME, now)
    return TaskResult(counts={"folded": folded, **coarser})


def plan(runtime: Runtime) -> TaskResult:
    """Return what `tally` would fold now, and change nothing."""
    with runtime.database.uow() as tx:
        return TaskResult(counts={"would fold": tallies.count_new(tx)})
