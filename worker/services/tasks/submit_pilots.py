"""submit_pilots: decide how many pilots of a VO each CE gets, and hold their slots.

One unit of work: the facts are read, the policy decides, the slots are reserved under locks, and
every decision is stored with its reason. The CEs concerned are nudged after the commit.
"""

from collections import Counter
from dataclasses import replace
from functools import partial

from worker.db import decisions, locks, pilots
from worker.db.uow import Transaction
from worker.domain.decision import Decision
from worker.domain.pilot import Grant
from worker.policy import contract
from worker.services import credentials, facts
from worker.services.facts import Situation, lines
from worker.services.runtime import Runtime, TaskResult, busy
from worker.services.tasks import surplus
from worker.tracing import span


def submit_pilots(runtime: Runtime, vo_name: str) -> TaskResult:
    """Reserve pilots for a VO where they fit best."""
    with runtime.database.uow() as tx:
        if not locks.try_lock(tx, f"submit_pilots:{vo_name}"):
            return busy(f"another execution allocates for VO {vo_name}")
        with span("decide", vo=vo_name) as deciding:
            situation = read_situation(tx, runtime, vo_name)
            decided = decide(runtime, situation)
            deciding.set(ces=len(decided), granted=sum(one.granted for one in decided))
        grants = [Grant(vo=d.vo, ce=d.ce, count=d.granted) for d in decided if d.granted]
        reserved = pilots.reserve(tx, grants, runtime.now()) if grants else []
        by_ce = Counter(pilot.ce for pilot in reserved)
        decisions.add(tx, [_corrected(decision, by_ce[decision.ce]) for decision in decided])
        cancelled = surplus.settle(tx, situation)
        for ce in sorted(by_ce):
            tx.after_commit(partial(runtime.nudge, "dispatch", ce))
    counts = {"reserved": len(reserved), "CEs": len(by_ce)}
    if cancelled:
        counts["surplus"] = cancelled
    return TaskResult(counts=counts, lines=lines(decided))


def plan(runtime: Runtime, vo_name: str) -> TaskResult:
    """Return what `submit_pilots` would do now, and change nothing."""
    with runtime.database.uow() as tx:
        situation = read_situation(tx, runtime, vo_name)
    decided = decide(runtime, situation)
    granted = sum(decision.granted for decision in decided)
    return TaskResult(counts={"would reserve": granted}, lines=lines(decided))


def read_situation(tx: Transaction, runtime: Runtime, vo_name: str) -> Situation:
    """Read all facts for the allocation for a VO."""
    situation = facts.read(tx, vo_name, runtime.now())
    return replace(
        situation, unusable=credentials.unusable_ces(tx, runtime, [vo.name for vo in situation.vos])
    )


def decide(runtime: Runtime, situation: Situation) -> list[Decision]:
    """Let the policy decide; one decision for each CE."""
    tick = facts.facts_of(situation, runtime.budget, runtime.parameters)
    return contract.decide(runtime.policy, tick, runtime.parameters)


def _corrected(decision: Decision, count: int) -> Decision:
    """Correct a decision if fewer slots were free: somebody else was quicker."""
    if count == decision.granted:
        return decision
    reason = f"{decision.reason}; only {count} of {decision.granted} were still free"
    return replace(decision, granted=count, reason=reason)
