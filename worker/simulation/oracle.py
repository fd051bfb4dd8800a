"""The oracle: it sees what is true now, though not what will be. No policy can know more."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from worker.domain.decision import Decision
from worker.policy.allocation import three_chances
from worker.policy.contract import Policy
from worker.policy.facts import CEFacts, Chances, Pause, VOFacts
from worker.policy.parameters import DEFAULTS, Parameters
from worker.simulation.scenario import TroubleKind
from worker.simulation.world import World

FIRST = 1000.0
"""The oracle's preference: the best first, to the last slot."""


def oracle(world: World) -> Policy:
    """Make the policy that decides as ours does, with the truth for what is learnt."""

    def decide(
        *,
        now: datetime,
        vo: VOFacts,
        budget: int,
        ces: Sequence[CEFacts],
        parameters: Parameters = DEFAULTS,
    ) -> list[Decision]:
        """Decide with the truth; a CE in trouble gets nothing, not even a probe."""
        return three_chances(
            now=now,
            vo=vo,
            budget=budget,
            ces=[_true(world, ce, now) for ce in ces],
            parameters=replace(parameters, preference=FIRST),
        )

    return decide


def _true(world: World, ce: CEFacts, now: datetime) -> CEFacts:
    truth = world.ces[ce.name].truth
    chances = {of: truth.rate(of, world.now) for of in ("accept", "start", "finish")}
    trouble = truth.trouble(world.now, *TroubleKind)
    if trouble is not None and trouble.part < 1:
        hit = {TroubleKind.REFUSING: "accept", TroubleKind.BLACK_HOLE: "start"}
        chances[hit.get(trouble.kind, "finish")] *= 1 - trouble.part
        trouble = None
    return replace(
        ce,
        chances=Chances(**chances),
        pause=Pause(reason=str(trouble.kind), since=now) if trouble else None,
        last_sent_at=now,
    )
