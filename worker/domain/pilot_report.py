"""A pilot report: what a pilot says of itself. Nobody has to believe more of it than is written."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from worker.domain.pilot import Use
from worker.domain.words import Described

LONGEST_REASON = 200
"""Characters of the reason for which a pilot ends."""
MOST_PAYLOADS = 1_000_000_000


class PilotState(Described):
    """What a pilot says that it does."""

    BUSY = "busy", "It runs a payload."
    IDLE = "idle", "It has no payload to run, and waits for one."
    ENDING = "ending", "It takes no more payloads, and ends."


@dataclass(frozen=True, kw_only=True)
class PilotReport:
    """The last that a pilot said. What it never said is `None`."""

    state: PilotState | None = None
    payloads: int | None = None
    """Payloads that it has run."""
    reason: str | None = None
    """Why it ends."""
    at: datetime
    """When it said anything last."""
    idle_since: datetime | None = None
    """Since when it says idle, and nothing else."""

    @property
    def use(self) -> Use | None:
        """What it was for by its own word, if it ends well; `None` if that does not say it.

        One that runs its first payload has run none yet.
        """
        if self.payloads is None or (self.payloads == 0 and self.state is PilotState.BUSY):
            return None
        return Use.USEFUL if self.payloads else Use.EMPTY

    @property
    def idle_for(self) -> timedelta:
        """How long it says that it is idle, as far as it said so again."""
        return timedelta() if self.idle_since is None else self.at - self.idle_since


def following(
    before: PilotReport | None,
    now: datetime,
    *,
    state: PilotState | None = None,
    payloads: int | None = None,
    reason: str | None = None,
) -> PilotReport:
    """Return what is known of a pilot after it said something; what it leaves out stays."""
    old = before or PilotReport(at=now)
    new_state, idle_since = state or old.state, None
    if new_state is PilotState.IDLE:
        # Not in the future, where the clock was set back since.
        idle_since = min(old.idle_since or now, now)
    return PilotReport(
        state=new_state,
        payloads=old.payloads if payloads is None else payloads,
        reason=old.reason if reason is None else reason,
        at=now,
        idle_since=idle_since,
    )
