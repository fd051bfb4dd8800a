"""The contract of a policy: a pure function from facts to decisions.

`Bounded` makes a policy of a plug-in keep the contract.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import NotRequired, Protocol, TypedDict, Unpack

from worker.domain.decision import Decision
from worker.policy import traces
from worker.policy.facts import CEFacts, VOFacts
from worker.policy.parameters import Parameters

DEFAULT_POLICY = "three_chances"


class PolicyArguments(TypedDict):
    """The keyword arguments of a policy."""

    now: datetime
    vo: VOFacts
    budget: int
    ces: Sequence[CEFacts]
    parameters: NotRequired[Parameters]


class Policy(Protocol):
    """Decide how many pilots of a VO each CE gets.

    A policy returns one decision for every CE, in the order of their names. No grant exceeds
    `free`, the budget or the VO's room. The same facts give the same decisions, in whatever order
    the CEs are given. A decision's trace holds the facts (`traces.writer`), so that the decision
    can be made again.
    """

    def __call__(self, **arguments: Unpack[PolicyArguments]) -> list[Decision]:
        """Decide."""
        ...


def decide(policy: Policy, facts: traces.Facts, parameters: Parameters) -> list[Decision]:
    """Call a policy with the facts of one tick of a VO."""
    return policy(
        now=facts.now, vo=facts.vo, budget=facts.budget, ces=facts.ces, parameters=parameters
    )


class Bounded:
    """A policy of a plug-in, made to keep the contract.

    Grants that are too large are cut, and a CE that the policy leaves out gets a decision.
    """

    def __init__(self, name: str, policy: Policy) -> None:
        self._name = name
        self._policy = policy

    def __call__(self, **arguments: Unpack[PolicyArguments]) -> list[Decision]:
        """Return the decisions of the policy, with grants that fit the facts."""
        decided = self._policy(**arguments)
        vo, budget, ces = arguments["vo"], arguments["budget"], arguments["ces"]
        by_ce = {decision.ce: decision for decision in decided}
        left = max(0, budget if vo.room is None else min(budget, vo.room))
        granted: Counter[str] = Counter()
        for ce in sorted(ces, key=lambda ce: ce.name):
            proposed = by_ce[ce.name].granted if ce.name in by_ce else 0
            if not vo.closed and not ce.closed:
                granted[ce.name] = max(0, min(proposed, ce.free, left))
                left -= granted[ce.name]
        facts = traces.writer(vo, budget)
        return [
            Decision(
                vo=vo.name,
                ce=ce.name,
                at=arguments["now"],
                granted=granted[ce.name],
                reason=self._reason(by_ce.get(ce.name), granted[ce.name]),
                trace={
                    **(by_ce[ce.name].trace if ce.name in by_ce else {}),
                    **facts(ce),
                    "policy": self._name,
                },
            )
            for ce in sorted(ces, key=lambda ce: ce.name)
        ]

    def _reason(self, decision: Decision | None, granted: int) -> str:
        if decision is None:
            return f"the policy {self._name} returned no decision for this CE"
        if granted == decision.granted:
            return decision.reason
        return f"{decision.reason}; cut from {decision.granted} to {granted}, as many as fit"
