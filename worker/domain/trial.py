"""Trials: a CE that refused pilots of a VO is tried again with few, and later and later."""

from dataclasses import dataclass
from datetime import datetime, timedelta

FORGOTTEN = timedelta(hours=1)
"""A trial is over if nothing was refused for so long."""

AHEAD = timedelta(minutes=1)
"""A refusal may be so much later than a tick that began before it was recorded."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """How a CE is tried with pilots of a VO, after it refused some.

    It refused them because of a limit on the VO's jobs, or did not accept the VO's credential. That
    is no fault of the CE, so the CE is not paused for it.
    """

    vo: str
    ce: str
    most: int
    """How many pilots may be reserved at once."""
    failures: int = 0
    """How many attempts in a row ended without an accepted pilot."""
    retry_at: datetime
    """When it is tried again."""
    refused_at: datetime
    """When pilots were last refused."""
    reason: str
    """What the CE said then."""

    def is_on(self, now: datetime) -> bool:
        """Return whether the trial goes on. A refusal far ahead is one of a wrong clock."""
        return self.refused_at - AHEAD <= now < self.refused_at + FORGOTTEN

    @property
    def is_refused(self) -> bool:
        """Whether the last attempt was refused, as a whole or in part."""
        return self.retry_at > self.refused_at

    @property
    def sentence(self) -> str:
        """Why the VO gets no pilots at the CE before it is tried again."""
        few = "1 pilot" if self.most == 1 else f"{self.most} pilots"
        return (
            f"the CE refused pilots of VO {self.vo} ({self.reason}); "
            f"it is tried again with {few} at {self.retry_at:%H:%M:%S}Z"
        )
