"""prune: forget final pilots and their history, decisions and reports that are old enough.

One execution deletes a bounded number, so its transaction stays short; the next goes on.
"""

from worker.db import breakers, decisions, locks, maintenances, pilot_reads, pilots, reports
from worker.services.parts import Done, Parts, busy

AT_ONCE = 20_000
"""Rows of a kind that one execution deletes at the most."""


def prune(parts: Parts) -> Done:
    """Delete what is older than it is kept."""
    now = parts.now()
    with parts.database.uow() as tx:
        if not locks.try_lock(tx, "prune"):
            return busy("another execution prunes")
        gone = {
            "pilots": pilots.remove_final(tx, now - parts.keep_final, AT_ONCE),
            "decisions": decisions.remove(tx, now - parts.keep_decisions, AT_ONCE),
            "reports": reports.remove(tx, now - parts.keep_reports),
            "pauses": breakers.remove(tx, now - parts.keep_reports),
            "maintenances": maintenances.forget(tx, now - parts.keep_reports),
        }
    return Done(counts=gone)


def plan(parts: Parts) -> Done:
    """Say what `prune` would delete now, and change nothing."""
    now = parts.now()
    with parts.database.uow() as tx:
        old = {
            "old pilots": pilot_reads.count_final(tx, now - parts.keep_final),
            "old decisions": decisions.count_before(tx, now - parts.keep_decisions),
            "old reports": reports.count_before(tx, now - parts.keep_reports),
            "old pauses": breakers.count_before(tx, now - parts.keep_reports),
            "old maintenances": len(maintenances.over(tx, now - parts.keep_reports)),
        }
    return Done(counts=old)
