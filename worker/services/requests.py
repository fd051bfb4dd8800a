"""The runtime of a request that came from afar: in somebody's name, and perhaps done once only."""

from dataclasses import replace

from worker.db.answered import AnsweredBefore, Once
from worker.domain.access import Access
from worker.domain.change import Actor, Door
from worker.services.runtime import Runtime

__all__ = ["AnsweredBefore", "Once", "used_by"]


def used_by(
    runtime: Runtime,
    who: str,
    access: Access,
    once: Once | None = None,
    *,
    door: Door = Door.API,
) -> Runtime:
    """Return the runtime in the name of somebody who came by the API or the console."""
    actor = Actor(who=who, door=door, access=access)
    return replace(runtime, database=runtime.database.used_by(actor, once=once), by_hand=True)
