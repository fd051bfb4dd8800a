"""The facts of an allocation: read in a few statements, and given to the policy as values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from worker.db import ces, maintenances, slots, trials, vos, work
from worker.db.maintenances import Maintenance
from worker.db.slots import CESlots
from worker.db.uow import Transaction
from worker.domain.trial import Trial
from worker.domain.vo import VO
from worker.policy.facts import CEFacts, Rival, VOFacts
from worker.policy.learning import evaluate
from worker.policy.parameters import Parameters
from worker.policy.traces import Facts
from worker.policy.work import NoWork, demand_without
from worker.services.closings import closed_to_vo, closed_vo
from worker.services.current_demand import CurrentDemand, DemandFacts
from worker.services.trials import by_ce


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What one tick of one VO reads in the database."""

    now: datetime
    vo: VO
    ces: tuple[CESlots, ...]
    demands: DemandFacts
    vos: tuple[VO, ...] = ()
    only_for: Mapping[str, frozenset[str]] = field(default_factory=dict)
    maintenances: Mapping[str, Maintenance] = field(default_factory=dict)
    without_work: Mapping[str, NoWork] = field(default_factory=dict)
    unusable: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """For each VO, the CEs for which it has no usable credential now, each with the reason."""
    trials: Mapping[str, Mapping[str, Trial]] = field(default_factory=dict)
    """For each CE, the VOs of which it refused pilots lately, each with the trial."""

    def demand_of(self, vo: VO) -> CurrentDemand:
        """Return the demand of a VO that counts now."""
        return self.demands.of(vo, self.now)


def read(tx: Transaction, vo_name: str, now: datetime) -> Situation:
    """Read all facts for an allocation for a VO."""
    vo, owners = vos.get(tx, vo_name), tuple(vos.get_all(tx))
    return Situation(
        now=now,
        vo=vo,
        ces=tuple(slots.slots_for(tx, vo.id)),
        demands=DemandFacts.read(tx, owners),
        vos=owners,
        only_for=ces.allowed_by_ce(tx),
        maintenances=maintenances.current(tx, now),
        without_work=work.without_work(tx),
        trials=by_ce(trials.find(tx), now),
    )


def facts_of(situation: Situation, budget: int, parameters: Parameters) -> Facts:
    """Convert a situation to the facts of a policy."""
    vo = situation.vo
    return Facts(
        now=situation.now,
        vo=_vo_facts(situation, parameters),
        budget=budget if vo.budget is None else vo.budget,
        ces=tuple(_ce_facts(ce, situation, parameters) for ce in situation.ces),
    )


def _vo_facts(situation: Situation, parameters: Parameters) -> VOFacts:
    vo = situation.vo
    demand = _demand_or_trickle(vo, situation, parameters)
    occupying = sum(ce.vo_occupying for ce in situation.ces)
    answer, closing = situation.demands.answer_of(vo), closed_vo(vo)
    return VOFacts(
        name=vo.name,
        demand=demand.demand,
        answered=demand.answered,
        wanted=demand.wanted,
        has=demand.has,
        room=None if vo.limit is None else vo.limit - occupying,
        limit=vo.limit,
        has_budget=vo.budget is not None,
        share=vo.share,
        closed=closing.sentence if closing else None,
        closed_by=closing.by if closing else None,
        note=demand.note,
        asked_at=answer.asked_at if vo.source is not None else None,
        answered_at=answer.answered_at if vo.source is not None else None,
        rivals=tuple(
            _rival(other, situation, parameters)
            for other in situation.vos
            if other.name != vo.name and closed_vo(other) is None
        ),
    )


def _demand_or_trickle(vo: VO, situation: Situation, parameters: Parameters) -> CurrentDemand:
    """Return the demand of a VO and how it was computed; a trickle if its pilots find no work."""
    current = situation.demand_of(vo)
    missing = situation.without_work.get(vo.name)
    demand = demand_without(missing, current.demand, parameters)
    if missing is None or demand == current.demand:
        return current
    of_all = "" if current.demand is None else f" of the demand of {current.demand}"
    note = f"a trickle{of_all}: since {missing.since:%H:%M}Z {missing.reason}"
    return replace(current, demand=demand, note=note)


def _rival(vo: VO, situation: Situation, parameters: Parameters) -> Rival:
    occupying, waiting = situation.demands.pilots_of(vo)
    return Rival(
        name=vo.name,
        share=vo.share,
        demand=_demand_or_trickle(vo, situation, parameters).demand,
        occupying=occupying,
        waiting=waiting,
        room=None if vo.limit is None else vo.limit - occupying,
    )


def _ce_facts(ce: CESlots, situation: Situation, parameters: Parameters) -> CEFacts:
    evaluation = evaluate(
        ce.learned, now=situation.now, configured=ce.success_rate, parameters=parameters
    )
    trial = situation.trials.get(ce.name, {}).get(situation.vo.name)
    closing = closed_to_vo(
        ce,
        situation.maintenances.get(ce.name),
        situation.unusable.get(situation.vo.name, {}).get(ce.name),
        trial,
        situation.now,
    )
    free = ce.available if trial is None else min(ce.available, trial.most)
    return CEFacts(
        name=ce.name,
        free=free,
        trial=free < ce.available,
        capacity=ce.capacity,
        waiting_limit=ce.waiting_limit,
        success_rate=ce.success_rate,
        closed=closing.sentence if closing else None,
        closed_by=closing.by if closing else None,
        chances=evaluation.chances,
        outcomes=evaluation.outcomes,
        pause=evaluation.pause,
        occupying=ce.occupying,
        waiting=ce.waiting,
        vo_occupying=ce.vo_occupying,
        vo_waiting=ce.vo_waiting,
        oldest_waiting_since=ce.oldest_waiting_since,
        drained=ce.queue_drained,
        last_sent_at=ce.last_reserved_at,
        vos=_open_to(ce.name, situation),
    )


def _open_to(ce: str, situation: Situation) -> frozenset[str] | None:
    """Return the VOs that may use a CE and whose pilots it takes; `None` means all."""
    allowed = situation.only_for.get(ce)
    kept_away = {vo for vo, names in situation.unusable.items() if ce in names}
    kept_away |= {vo for vo, trial in situation.trials.get(ce, {}).items() if trial.is_refused}
    if allowed is None and kept_away:
        allowed = frozenset(vo.name for vo in situation.vos)
    return allowed and allowed - kept_away


def lines(decided: Sequence[Any]) -> tuple[str, ...]:
    """Write decisions for people, one in a line."""
    width = max((len(decision.ce) for decision in decided), default=0)
    return tuple(f"{d.ce:<{width}}  {d.granted:>5}  {d.reason}" for d in decided)
