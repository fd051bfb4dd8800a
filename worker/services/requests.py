"""The runtime of a request by the API or the console: with its caller and its idempotency key."""

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
    """Return the runtime for a caller of the API or the console."""
    actor = Actor(who=who, door=door, access=access)
    return replace(runtime, database=runtime.database.used_by(actor, once=once), by_hand=True)
