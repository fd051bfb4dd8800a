"""submit_pilots: decide how many pilots of a VO each CE gets, and hold their slots.

One unit of work: the facts are read, the policy decides, the slots are reserved under locks, and
every decision is stored with its reason. The CEs concerned are nudged after the commit.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from worker.db import decisions, locks, pilots, slots, vos
from worker.db.slots import CESlots
from worker.db.uow import Transaction
from worker.domain.breaker import Breaker
from worker.domain.decision import Decision
from worker.domain.pilot import Grant
from worker.domain.vo import VO
from worker.policy.allocation import CEFacts, VOFacts, allocate
from worker.policy.learning import SUCCESS_RATE
from worker.services.parts import Done, Parts, busy


def submit_pilots(parts: Parts, vo_name: str) -> Done:
    """Reserve pilots for a VO where they fit best."""
    with parts.database.uow() as tx:
        if not locks.try_lock(tx, f"submit_pilots:{vo_name}"):
            return busy(f"another execution allocates for VO {vo_name}")
        decided = decide(tx, parts, vo_name)
        grants = [Grant(vo=d.vo, ce=d.ce, count=d.granted) for d in decided if d.granted]
        reserved = pilots.reserve(tx, grants, parts.now()) if grants else []
        held = Counter(pilot.ce for pilot in reserved)
        decisions.add(tx, [_corrected(decision, held[decision.ce]) for decision in decided])
        for ce in sorted(held):
            tx.after_commit(partial(parts.nudge, "dispatch", ce))
    return Done(counts={"reserved": len(reserved), "CEs": len(held)}, lines=_lines(decided))


def plan(parts: Parts, vo_name: str) -> Done:
    """Say what `submit_pilots` would do now, and change nothing."""
    with parts.database.uow() as tx:
        decided = decide(tx, parts, vo_name)
    granted = sum(decision.granted for decision in decided)
    return Done(counts={"would reserve": granted}, lines=_lines(decided))


def decide(tx: Transaction, parts: Parts, vo_name: str) -> list[Decision]:
    """Read the facts and let the policy decide; one decision for each CE."""
    vo = vos.get(tx, vo_name)
    seen = slots.slots_for(tx, vo.id)
    return allocate(
        now=parts.now(),
        vo=_vo_facts(vo, seen),
        budget=parts.budget,
        ces=[_ce_facts(ce) for ce in seen],
    )


def _vo_facts(vo: VO, seen: Sequence[CESlots]) -> VOFacts:
    occupying = sum(ce.vo_occupying for ce in seen)
    return VOFacts(
        name=vo.name,
        demand=vo.demand,
        waiting=sum(ce.vo_waiting for ce in seen),
        room=None if vo.limit is None else vo.limit - occupying,
        closed=None if vo.enabled else "the VO is disabled",
    )


def _ce_facts(ce: CESlots) -> CEFacts:
    return CEFacts(
        name=ce.name,
        free=ce.available,
        success_rate=ce.rates.get(SUCCESS_RATE, ce.success_rate),
        closed=_closed(ce),
    )


def _closed(ce: CESlots) -> str | None:
    """Say why a CE gets nothing, whatever is free."""
    if not ce.enabled:
        return "the CE is disabled"
    if ce.draining:
        return "the CE is draining"
    if not ce.allowed:
        return "the CE is not open to this VO"
    if ce.breaker is not Breaker.CLOSED:
        return f"the CE is paused: {ce.breaker_reason}"
    return None


def _corrected(decision: Decision, held: int) -> Decision:
    """Say so when less could be held than was decided: somebody else was quicker."""
    if held == decision.granted:
        return decision
    reason = f"{decision.reason}; only {held} of {decision.granted} were still free"
    return replace(decision, granted=held, reason=reason)


def _lines(decided: Sequence[Decision]) -> tuple[str, ...]:
    width = max((len(decision.ce) for decision in decided), default=0)
    return tuple(f"{d.ce:<{width}}  {d.granted:>5}  {d.reason}" for d in decided)
