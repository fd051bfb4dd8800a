"""The facts of an allocation: read in a handful of statements, told in the policy's words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from worker.db import ces, demands, maintenances, slots, vos
from worker.db.demands import Answer
from worker.db.maintenances import Maintenance
from worker.db.slots import CESlots
from worker.db.uow import Transaction
from worker.domain.calls import reason_not_to_send
from worker.domain.vo import VO
from worker.policy.facts import CEFacts, Rival, VOFacts
from worker.policy.learning import judge
from worker.policy.parameters import Parameters
from worker.policy.traces import Facts
from worker.services.tasks.ask_demand import Known, known_demand


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What one tick of one VO finds in the database."""

    now: datetime
    vo: VO
    ces: tuple[CESlots, ...]
    vos: tuple[VO, ...] = ()
    answers: Mapping[str, Answer] = field(default_factory=dict)
    counts: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    only_for: Mapping[str, frozenset[str]] = field(default_factory=dict)
    maintenances: Mapping[str, Maintenance] = field(default_factory=dict)
    closed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By VO, the CEs that it has no credential for just now, each with a sentence."""

    def demand_of(self, vo: VO) -> Known:
        """Tell the demand of a VO that counts now."""
        return known_demand(vo, self.answers.get(vo.name, demands.NONE), self.now)


def read(tx: Transaction, vo_name: str, now: datetime) -> Situation:
    """Read all that an allocation for a VO may know."""
    vo = vos.get(tx, vo_name)
    return Situation(
        now=now,
        vo=vo,
        ces=tuple(slots.slots_for(tx, vo.id)),
        vos=tuple(vos.get_all(tx)),
        answers=demands.get_all(tx),
        counts=slots.count_by_vo(tx),
        only_for=ces.closed_to_most(tx),
        maintenances=maintenances.current(tx, now),
    )


def facts_of(found: Situation, budget: int, parameters: Parameters) -> Facts:
    """Tell the same in the policy's words."""
    vo = found.vo
    return Facts(
        now=found.now,
        vo=_vo_facts(found),
        budget=budget if vo.budget is None else vo.budget,
        ces=tuple(_ce_facts(ce, found, parameters) for ce in found.ces),
    )


def closed_vo(vo: VO) -> str | None:
    """Say why a VO gets nothing, whatever is free."""
    if not vo.enabled:
        return "the VO is disabled"
    return "the VO is draining" if vo.draining else None


def _vo_facts(found: Situation) -> VOFacts:
    vo, known = found.vo, found.demand_of(found.vo)
    occupying = sum(ce.vo_occupying for ce in found.ces)
    return VOFacts(
        name=vo.name,
        demand=known.demand,
        room=None if vo.limit is None else vo.limit - occupying,
        share=vo.share,
        closed=closed_vo(vo),
        note=known.note,
        rivals=tuple(
            _rival(other, found)
            for other in found.vos
            if other.name != vo.name and closed_vo(other) is None
        ),
    )


def _rival(vo: VO, found: Situation) -> Rival:
    occupying, waiting = found.counts.get(vo.name, (0, 0))
    return Rival(
        name=vo.name,
        share=vo.share,
        demand=found.demand_of(vo).demand,
        occupying=occupying,
        waiting=waiting,
        room=None if vo.limit is None else vo.limit - occupying,
    )


def _ce_facts(ce: CESlots, found: Situation, parameters: Parameters) -> CEFacts:
    judged = judge(ce.learned, now=found.now, configured=ce.success_rate, parameters=parameters)
    return CEFacts(
        name=ce.name,
        free=ce.available,
        success_rate=ce.success_rate,
        closed=_closed_ce(ce, found),
        chances=judged.chances,
        pause=judged.pause,
        occupying=ce.occupying,
        waiting=ce.waiting,
        vo_occupying=ce.vo_occupying,
        vo_waiting=ce.vo_waiting,
        oldest_waiting_since=ce.oldest_waiting_since,
        drained=ce.queue_drained,
        last_sent_at=ce.last_sent_at,
        vos=_open_to(ce.name, found),
    )


def _open_to(ce: str, found: Situation) -> frozenset[str] | None:
    """Tell which VOs can use a CE; one that has no credential for it is no rival there."""
    allowed = found.only_for.get(ce)
    shut = {vo for vo, closed in found.closed.items() if ce in closed}
    if allowed is None and shut:
        allowed = frozenset(vo.name for vo in found.vos)
    return allowed and allowed - shut


def _closed_ce(ce: CESlots, found: Situation) -> str | None:
    """Say why a CE gets nothing of this VO, whatever is free. The first reason is told."""
    away = found.maintenances.get(ce.name)
    no_credential = found.closed.get(found.vo.name, {}).get(ce.name)
    reasons = (
        (not ce.enabled, "the CE is disabled"),
        (ce.draining, "the CE is draining"),
        (not ce.allowed, "the CE is for other VOs"),
        (ce.is_held(found.now), f"held by hand: {ce.sending_reason}"),
        (away is not None, away and f"in maintenance until {away.ends_at:%H:%M}Z: {away.reason}"),
        (no_credential is not None, no_credential),
        (_fails(ce, found.now), reason_not_to_send(ce, found.now)),
    )
    return next((str(sentence) for holds, sentence in reasons if holds), None)


def _fails(ce: CESlots, now: datetime) -> bool:
    return ce.retry_at is not None and now < ce.retry_at


def lines(decided: Sequence[Any]) -> tuple[str, ...]:
    """Write decisions for people, a line each."""
    width = max((len(decision.ce) for decision in decided), default=0)
    return tuple(f"{d.ce:<{width}}  {d.granted:>5}  {d.reason}" for d in decided)
