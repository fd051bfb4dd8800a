"""The facts of an allocation: everything that a policy may know, and nothing else.

Every policy gets the same facts. They are plain values, so that the traces of stored decisions
give them back (`traces.facts_from`) and a decision can be made again by another policy.
"""

from dataclasses import dataclass
from datetime import datetime

from worker.domain.closing import ClosedBy


@dataclass(frozen=True, kw_only=True)
class Chances:
    """How likely a pilot is to be accepted, then to start, then to end well."""

    accept: float
    start: float
    finish: float

    @property
    def all(self) -> float:
        """How likely a pilot is to do all three."""
        return self.accept * self.start * self.finish


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """How many good and bad outcomes of each step still count, in whole numbers, the bad second.

    They fade: one of an hour ago counts less than one of now. They explain the chances.
    """

    accept: tuple[int, int] = (0, 0)
    start: tuple[int, int] = (0, 0)
    finish: tuple[int, int] = (0, 0)


@dataclass(frozen=True, kw_only=True)
class Pause:
    """That a CE is paused because its pilots failed: why, and since when."""

    reason: str
    since: datetime


@dataclass(frozen=True, kw_only=True)
class CEFacts:
    """What a decision about one CE needs to know. `closed` says why it gets nothing at all.

    What is said of the CE is of all VOs together, but for the fields that begin with `vo`.
    """

    name: str
    free: int
    """How many more pilots fit: free slots, and no more than may wait."""

    capacity: int | None = None
    """Pilots that it may hold; `None` in decisions of before it was kept."""

    waiting_limit: int | None = None
    """Pilots that may wait there; `None` is as many as it may hold."""

    success_rate: float = 1.0
    """The configured one."""

    closed: str | None = None
    """A sentence: disabled, draining, held by hand, in maintenance, for other VOs, ..."""

    closed_by: ClosedBy | None = None
    """What closes it; `None` in decisions of before it was kept, too."""

    chances: Chances | None = None
    """What was learnt (`learning.evaluate`); `None` is what the configured rate says."""

    outcomes: Outcomes | None = None
    """What the chances were learnt from (`learning.evaluate`)."""

    pause: Pause | None = None
    """Whether it is paused, and why (`learning.evaluate`)."""

    occupying: int = 0
    waiting: int = 0

    vo_occupying: int = 0
    vo_waiting: int = 0

    oldest_waiting_since: datetime | None = None
    """When the pilot that has been waiting for longest was submitted."""

    drained: int = 0
    """How many pilots began to run here in the last hour."""

    last_sent_at: datetime | None = None
    """When a pilot was reserved here last: the next probe is timed from then."""

    vos: frozenset[str] | None = None
    """The VOs that may use it; `None` is all."""


@dataclass(frozen=True, kw_only=True)
class Rival:
    """Another VO that may compete for the same slots. A closed VO does not compete."""

    name: str
    share: float = 1.0
    demand: int | None = None
    occupying: int = 0
    waiting: int = 0
    room: int | None = None


@dataclass(frozen=True, kw_only=True)
class VOFacts:
    """What a decision for one VO needs to know. `None` is unlimited."""

    name: str
    demand: int | None = None
    """How many more pilots it could use, including those that already wait."""

    room: int | None = None
    """How many more its limit allows."""

    limit: int | None = None
    """Pilots that it may have at once."""

    has_budget: bool = False
    """Whether the budget is its own, and not that of all VOs."""

    share: float = 1.0
    closed: str | None = None
    """A sentence: disabled, draining."""

    closed_by: ClosedBy | None = None
    """What closes it; `None` in decisions of before it was kept, too."""

    note: str | None = None
    """How the demand came about, if it was not set: an answer of its source, or a rule."""

    asked_at: datetime | None = None
    """When its source was asked for the demand last."""

    answered_at: datetime | None = None
    """When the source answered last."""

    answered: int | None = None
    """The number of its source or of its settings, before anything was counted off or bounded."""

    wanted: int | None = None
    """How many pilots it wants altogether, where that was counted; the demand is what is left."""

    has: int | None = None
    """How many it had when that was counted: those that wait or run."""

    rivals: tuple[Rival, ...] = ()
    """Every other open VO."""
