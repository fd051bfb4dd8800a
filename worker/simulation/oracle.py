"""The oracle: a policy that knows the present truth of the world, but not the future.

No real policy can know more.
"""

from dataclasses import replace
from datetime import datetime
from typing import Unpack

from worker.domain.decision import Decision
from worker.policy.allocation import three_chances
from worker.policy.contract import Policy, PolicyArguments
from worker.policy.facts import CEFacts, Chances, Pause, VOFacts
from worker.policy.parameters import DEFAULTS
from worker.simulation.scenario import TroubleKind
from worker.simulation.world import World

FIRST = 1000.0
"""The oracle's preference, so large that the best CE is filled first, to its last slot."""


def oracle(world: World) -> Policy:
    """Make a policy that decides as `three_chances`, with the truth instead of learnt chances."""

    def decide(**arguments: Unpack[PolicyArguments]) -> list[Decision]:
        """Decide with the truth; a CE in trouble gets nothing, not even a probe."""
        parameters = replace(arguments.get("parameters", DEFAULTS), preference=FIRST)
        ces = [_true(world, ce, arguments["now"]) for ce in arguments["ces"]]
        vo = _true_vo(world, arguments["vo"])
        truth: PolicyArguments = {**arguments, "vo": vo, "ces": ces, "parameters": parameters}
        return three_chances(**truth)

    return decide


def _true_vo(world: World, vo: VOFacts) -> VOFacts:
    def demand(name: str, asked: int | None) -> int | None:
        return 0 if world.work[name].is_idle(world.now) else asked

    rivals = (replace(rival, demand=demand(rival.name, rival.demand)) for rival in vo.rivals)
    return replace(vo, demand=demand(vo.name, vo.demand), rivals=tuple(rivals))


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
