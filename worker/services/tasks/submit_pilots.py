"""submit_pilots: decide how many pilots of a VO each CE gets, and hold their slots.

One unit of work: the facts are read, the policy decides, the slots are reserved under locks, and
every decision is stored with its reason. The CEs concerned are nudged after the commit. The
surplus, which is the waiting pilots above the demand, is cancelled if the VO allows it.
"""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from functools import partial

from worker.db import decisions, demands, locks, pilot_reads, pilots
from worker.db.uow import Transaction
from worker.domain.decision import Decision
from worker.domain.pilot import Grant
from worker.policy import contract
from worker.services import credentials, facts
from worker.services.facts import Situation, lines
from worker.services.runtime import Runtime, TaskResult, busy
from worker.tracing import span

SURPLUS_LASTS = timedelta(minutes=10)
"""How long there must be a surplus before any pilot is cancelled."""


def submit_pilots(runtime: Runtime, vo_name: str) -> TaskResult:
    """Reserve pilots for a VO at the CEs that the policy chooses."""
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
        cancelled = _settle_surplus(tx, situation)
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
    """Let the policy decide; return one decision for each CE."""
    tick = facts.facts_of(situation, runtime.budget, runtime.parameters)
    return contract.decide(runtime.policy, tick, runtime.parameters)


def _corrected(decision: Decision, count: int) -> Decision:
    """Correct a decision if less room was left when the slots were locked.

    Another VO took some first, or meanwhile the CE or the VO was closed, or a limit was lowered.
    """
    if count == decision.granted:
        return decision
    reason = f"{decision.reason}; only {count} of {decision.granted} were still free"
    return replace(decision, granted=count, reason=reason)


def _settle_surplus(tx: Transaction, situation: Situation) -> int:
    """Note since when there is a surplus, or cancel it; return how many pilots were cancelled.

    The surplus must have lasted for some time, so a short dip of the demand has no effect. An
    unknown demand has none either.
    """
    vo = situation.vo
    if not vo.cancel_surplus:
        return 0
    demand = situation.demand_of(vo)
    waiting = sum(ce.vo_waiting for ce in situation.ces)
    too_many = waiting - demand.demand if demand.certain and demand.demand is not None else 0
    since = situation.demands.answer_of(vo).surplus_since
    if too_many <= 0:
        if since is not None:
            demands.surplus_since(tx, vo.name, None)
        return 0
    if since is None:
        demands.surplus_since(tx, vo.name, situation.now)
        return 0
    return _cancel_surplus(tx, situation, too_many) if situation.now - since >= SURPLUS_LASTS else 0


def _cancel_surplus(tx: Transaction, situation: Situation, count: int) -> int:
    """Cancel waiting pilots of a VO, unsent ones first; sent ones end at their next check, if they
    still wait.
    """
    unsent, sent = pilot_reads.waiting_of(tx, situation.vo.name, count)
    reason = "surplus: the demand went down"
    return pilots.cancel(
        tx,
        dict.fromkeys(unsent, reason),
        dict.fromkeys(sent, reason),
        situation.now,
        if_waiting=sent,
    )
