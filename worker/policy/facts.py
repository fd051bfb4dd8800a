"""The facts of an allocation: everything that a policy may know, and nothing else.

Every policy gets the same facts. They are plain values, so that they can be rebuilt from the traces
of stored decisions (`traces.facts_from`), and another policy can decide on the same facts.
"""

from dataclasses import dataclass
from datetime import datetime

from worker.domain.closing import ClosedBy


@dataclass(frozen=True, kw_only=True)
class Chances:
    """The probabilities that a pilot is accepted, that it then starts, and that it ends well."""

    accept: float
    start: float
    finish: float

    @property
    def all(self) -> float:
        """The product: the probability that a pilot is accepted, starts and ends well."""
        return self.accept * self.start * self.finish


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """How many outcomes of each step still count, in whole numbers: first the good, then the bad.

    Their weight fades: an outcome of an hour ago counts less than a new one. They explain the
    chances.
    """

    accept: tuple[int, int] = (0, 0)
    start: tuple[int, int] = (0, 0)
    finish: tuple[int, int] = (0, 0)


@dataclass(frozen=True, kw_only=True)
class Pause:
    """The pause of a CE whose pilots failed or ended for nothing: why, and since when."""

    reason: str
    since: datetime


@dataclass(frozen=True, kw_only=True)
class CEFacts:
    """The facts for a decision about one CE. `closed` says why it gets nothing at all.

    The numbers are those of all VOs together; in fields that begin with `vo_`, those of one VO.
    """

    name: str
    free: int
    """How many more pilots fit: the free slots, at most what the waiting limit still allows, and
    at most the number of a trial."""

    trial: bool = False
    """Whether `free` is the number of a trial: the CE refused pilots of the VO lately."""

    capacity: int | None = None
    """How many pilots may occupy the CE; `None` in old decisions, which did not store it."""

    waiting_limit: int | None = None
    """How many pilots may wait there; `None`: only the capacity limits them."""

    success_rate: float = 1.0
    """The configured success rate."""

    closed: str | None = None
    """Why it is closed, in a sentence: disabled, draining, held by hand, in maintenance, for other
    VOs, ..."""

    closed_by: ClosedBy | None = None
    """What closes it; `None` if nothing does, and in old decisions, which did not store it."""

    chances: Chances | None = None
    """The learnt chances (`learning.evaluate`); if `None`, they follow from the configured rate."""

    outcomes: Outcomes | None = None
    """The outcomes from which the chances were learnt (`learning.evaluate`)."""

    pause: Pause | None = None
    """The pause of the CE, if it is paused (`learning.evaluate`)."""

    occupying: int = 0
    waiting: int = 0

    vo_occupying: int = 0
    vo_waiting: int = 0

    oldest_waiting_since: datetime | None = None
    """When the pilot that has been waiting for longest was submitted, or put back in the queue."""

    drained: int = 0
    """How many pilots began to run here in the last hour."""

    last_sent_at: datetime | None = None
    """When a pilot last got a slot here; the next probe is due one interval later.

    The name says *sent* because stored traces and policies of others have it.
    """

    vos: frozenset[str] | None = None
    """The VOs that may use it; `None` is all VOs."""


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
    """The facts for a decision for one VO. `None` is unlimited."""

    name: str
    demand: int | None = None
    """How many more pilots it could use, including those that already wait."""

    room: int | None = None
    """How many more pilots its limit allows."""

    limit: int | None = None
    """How many pilots it may have at once."""

    has_budget: bool = False
    """Whether the VO has a budget of its own; otherwise the budget is that of the settings."""

    share: float = 1.0
    closed: str | None = None
    """Why it is closed, in a sentence: disabled, draining."""

    closed_by: ClosedBy | None = None
    """What closes it; `None` if nothing does, and in old decisions, which did not store it."""

    note: str | None = None
    """The origin of the demand, if it was not set by hand: an answer of its source, or a rule."""

    asked_at: datetime | None = None
    """When its source was last asked for the demand."""

    answered_at: datetime | None = None
    """When the source last answered."""

    answered: int | None = None
    """The number of its source or of its own demand, before subtractions and bounds."""

    wanted: int | None = None
    """How many pilots it wants altogether, if that was counted; the demand follows from it."""

    has: int | None = None
    """How many pilots waited or ran when `wanted` was counted."""

    rivals: tuple[Rival, ...] = ()
    """Every other open VO."""
