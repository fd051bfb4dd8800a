"""What a policy is: a pure function from facts to decisions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from worker.domain.decision import Decision
from worker.policy.facts import CEFacts, VOFacts
from worker.policy.parameters import DEFAULTS, Parameters

DEFAULT_POLICY = "three_chances"


class Policy(Protocol):
    """Decide how many pilots of a VO each CE gets.

    One decision for each CE, whatever it is, in the order of their names; nothing granted exceeds
    `free`, the budget, or the VO's room. The same facts give the same decisions, in whatever order
    they come. A decision's trace holds the facts (`traces.writer`), so that it can be made again.
    """

    def __call__(
        self,
        *,
        now: datetime,
        vo: VOFacts,
        budget: int,
        ces: Sequence[CEFacts],
        parameters: Parameters = DEFAULTS,
    ) -> list[Decision]:
        """Decide."""
        ...
