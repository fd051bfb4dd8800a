"""A pilot report: what a pilot says of itself. It is a claim of the pilot, and may be false."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from worker.domain.pilot import Use
from worker.domain.words import Described

LONGEST_REASON = 200
"""The longest reason for the end of a pilot, in characters."""
MOST_PAYLOADS = 1_000_000_000


class PilotState(Described):
    """What a pilot says it is doing."""

    BUSY = "busy", "It runs a payload."
    IDLE = "idle", "It has no payload to run, and waits for one."
    ENDING = "ending", "It takes no more payloads, and ends."


@dataclass(frozen=True, kw_only=True)
class PilotReport:
    """The last values that a pilot reported. A value that it never reported is `None`."""

    state: PilotState | None = None
    payloads: int | None = None
    """How many payloads it has run."""
    reason: str | None = None
    """Why it ends."""
    at: datetime
    """The time of its last report."""
    idle_since: datetime | None = None
    """Since when all its reports have said idle."""

    @property
    def use(self) -> Use | None:
        """The use of the pilot by its own report, if it ends well; `None` if that does not show it.

        A pilot that is busy with its first payload still reports 0 payloads.
        """
        if self.payloads is None or (self.payloads == 0 and self.state is PilotState.BUSY):
            return None
        return Use.USEFUL if self.payloads else Use.EMPTY

    @property
    def idle_for(self) -> timedelta:
        """For how long it has reported idle, up to its last report."""
        return timedelta() if self.idle_since is None else self.at - self.idle_since


def following(
    before: PilotReport | None,
    now: datetime,
    *,
    state: PilotState | None = None,
    payloads: int | None = None,
    reason: str | None = None,
) -> PilotReport:
    """Return the report of a pilot after a new one; values that the new one leaves out stay."""
    old = before or PilotReport(at=now)
    new_state, idle_since = state or old.state, None
    if new_state is PilotState.IDLE:
        # If the clock was set back meanwhile, the old moment may be in the future.
        idle_since = min(old.idle_since or now, now)
    return PilotReport(
        state=new_state,
        payloads=old.payloads if payloads is None else payloads,
        reason=old.reason if reason is None else reason,
        at=now,
        idle_since=idle_since,
    )
