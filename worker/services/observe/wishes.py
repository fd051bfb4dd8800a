"""The demand and the pilots of each VO now, for the list of VOs that get nothing."""

from dataclasses import dataclass
from datetime import datetime

from worker.db import vos
from worker.domain.access import Role
from worker.domain.vo import VO
from worker.services.allowed import allowed_to
from worker.services.closings import closed_vo
from worker.services.current_demand import DemandFacts, unusable_source
from worker.services.runtime import Runtime


@dataclass(frozen=True, kw_only=True)
class Wish:
    """The demand of a VO, and how many pilots it has."""

    vo: str
    demand: int | None
    """The demand that counts now; `None` is unlimited."""
    occupying: int
    problem: str | None
    """Why its demand source cannot be used or gave no answer last; `None` if it answered."""

    @property
    def is_unmet(self) -> bool:
        """Whether it wants pilots and has none."""
        return self.demand != 0 and not self.occupying


@allowed_to(Role.READ)
def wishes(runtime: Runtime) -> list[Wish]:
    """Return the demand and pilots of each VO to which pilots may be sent, by name."""
    now = runtime.now()
    with runtime.database.uow() as tx:
        listed = sorted(vos.get_all(tx), key=lambda vo: vo.name)
        facts = DemandFacts.read(tx, listed)
    return [_wish(vo, facts, now) for vo in listed if closed_vo(vo) is None]


def _wish(vo: VO, facts: DemandFacts, now: datetime) -> Wish:
    occupying, _ = facts.pilots_of(vo)
    problem = unusable_source(vo) or facts.answer_of(vo).problem
    return Wish(
        vo=vo.name,
        demand=facts.of(vo, now).demand,
        occupying=occupying,
        problem=problem if vo.source is not None else None,
    )
