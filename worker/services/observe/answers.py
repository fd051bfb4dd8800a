"""The last answer of a VO's demand source."""

from dataclasses import dataclass
from datetime import datetime

from worker.db import demands, vos
from worker.demand import registry
from worker.domain.access import Role
from worker.domain.demand import DemandCounts
from worker.services.allowed import allowed_to
from worker.services.current_demand import unusable_source
from worker.services.runtime import Runtime


@dataclass(frozen=True, kw_only=True)
class SourceAnswer:
    """The last answer of a source, and why it has given none since."""

    source_answer: int | None
    source_counts: DemandCounts | None
    """What that number counts."""
    source_answered_at: datetime | None
    source_problem: str | None

    @property
    def in_words(self) -> str | None:
        """What is wanted, in words."""
        if self.source_answer is None or self.source_counts is None:
            return None
        return self.source_counts.of(self.source_answer)


@allowed_to(Role.READ)
def answer_of(runtime: Runtime, name: str) -> SourceAnswer:
    """Return the last answer of a VO's demand source; empty if the VO has no source."""
    with runtime.database.uow() as tx:
        vo = vos.get(tx, name)
        answer = demands.get_all(tx).get(name, demands.NONE) if vo.source else demands.NONE
    problem = unusable_source(vo) or answer.problem
    return SourceAnswer(
        source_answer=answer.demand,
        source_counts=registry.counts(vo.source) if vo.source else None,
        source_answered_at=answer.answered_at,
        source_problem=problem,
    )
