"""What each VO wants and has now: for the list of VOs that get nothing."""

from dataclasses import dataclass

from worker.db import demands, slots, vos
from worker.domain.access import Role
from worker.domain.demand import NONE_ENDED
from worker.services.allowed import allowed_to
from worker.services.closings import closed_vo
from worker.services.current_demand import NO_PILOTS, current_demand, ended_pilots
from worker.services.runtime import Runtime


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a VO wants, and how many pilots it has."""

    vo: str
    demand: int | None
    """The demand that counts now; `None` is unlimited."""
    occupying: int
    problem: str | None
    """Why its demand source gave no answer when it was asked last."""

    @property
    def is_unmet(self) -> bool:
        """Whether it wants pilots and has none."""
        return self.demand != 0 and not self.occupying


@allowed_to(Role.READ)
def wishes(runtime: Runtime) -> list[Wish]:
    """Return the wish of each VO for which pilots may be sent, by name."""
    now = runtime.now()
    with runtime.database.uow() as tx:
        listed = sorted(vos.get_all(tx), key=lambda vo: vo.name)
        answers, counts = demands.get_all(tx), slots.count_by_vo(tx)
        ended = ended_pilots(tx, listed, answers)
    made = []
    for vo in listed:
        if closed_vo(vo) is None:
            answer = answers.get(vo.name, demands.NONE)
            pilots = counts.get(vo.name, NO_PILOTS)
            current = current_demand(vo, answer, now, pilots, ended.get(vo.name, NONE_ENDED))
            made.append(
                Wish(
                    vo=vo.name,
                    demand=current.demand,
                    occupying=pilots[0],
                    problem=answer.problem if vo.source is not None else None,
                )
            )
    return made
