"""Scenarios: the truth about a made-up world, which policies do not know.

Moments and times are in hours from the beginning, unless their name says minutes or seconds.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from worker.domain import checks
from worker.domain.errors import Invalid
from worker.domain.nearest import nearest
from worker.domain.validation import FileTable, read
from worker.domain.words import Described

Count = Annotated[int, Field(ge=0, le=checks.LARGEST)]
Rate = Annotated[float, Field(ge=0, le=1)]
Length = Annotated[float, Field(gt=0)]

ALL = "all"
"""The name of all CEs, for a trouble or a drift."""


class TroubleKind(Described):
    """What may happen to a CE."""

    BLACK_HOLE = "black_hole", "Pilots that begin are dead after some minutes."
    OUTAGE = "outage", "Submissions are refused, and what runs dies at once."
    REFUSING = "refusing", "Submissions are refused; what runs goes on."
    STUCK = "stuck", "Submissions are accepted; nothing begins."
    FAILING = "failing", "Pilots fail late."
    SWALLOWING = "swallowing", "Pilots that begin end well after some minutes, without work."


class CEModel(FileTable):
    """The truth about a CE, or about `count` CEs of the same kind."""

    name: str
    count: int = Field(default=1, ge=1, le=checks.LARGEST)
    capacity: Count = 40
    """The configured capacity."""
    slots: Count | None = None
    """The slots that it really has; by default as many as the capacity."""
    waiting_limit: Count | None = None
    configured: Rate = 0.95
    accept: Rate = 1.0
    start: Rate = 0.99
    finish: Rate = 0.97
    never: Rate = 0.0
    """The part of the failed starts in which the pilot never begins to run."""
    queue_minutes: float = Field(default=2.0, ge=0, le=checks.LARGEST)
    """How long a pilot waits on average even if a slot is free."""
    vos: tuple[str, ...] = ()
    """The VOs that may use it; if none is named, all may."""

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        checks.require_name("CE", name)
        return name


class CETrouble(FileTable):
    """A trouble of a CE that lasts for a time."""

    ce: str
    kind: TroubleKind = Field(strict=False)
    begins: float
    ends: float
    after_minutes: float = 1.0
    """How long a pilot lives that dies or is swallowed."""
    part: Rate = 1.0
    """The part of the pilots or submissions that is affected."""
    silent: bool = False
    """Whether the CE does not answer meanwhile, so that nothing becomes known of its pilots."""

    @model_validator(mode="after")
    def _begins_first(self) -> Self:
        if not 0 <= self.begins < self.ends:
            raise ValueError(f"it begins at {self.begins:g} and ends at {self.ends:g}")
        return self


class Drift(FileTable):
    """A rate that swings between two values."""

    ce: str
    of: Literal["accept", "start", "finish"]
    low: Rate
    high: Rate
    period: Length = 12.0
    """Hours from one maximum to the next."""
    phase: float = 0.0
    """The part of a period by which the swing is ahead."""

    @model_validator(mode="after")
    def _low_is_low(self) -> Self:
        if self.low > self.high:
            raise ValueError("its low is above its high")
        return self


class Owner(FileTable):
    """A VO and its work. If no jobs are given, its demand is unlimited."""

    name: str
    share: float = 1.0
    limit: int | None = None
    jobs: int | None = None
    """Jobs that wait at the beginning."""
    jobs_per_hour: float | None = None
    burst: int = 0
    """Jobs that arrive together in a burst."""
    burst_hours: Length = 6.0
    """Hours from one burst to the next; the first burst comes after half of this time."""
    idle_from: float | None = None
    """When it runs out of work, although it still asks for pilots."""
    idle_until: float = 1e9
    """When it has work again."""

    @property
    def unlimited(self) -> bool:
        """Whether it always has more work."""
        return self.jobs is None and self.jobs_per_hour is None and not self.burst


class Scenario(FileTable):
    """A world, and for how long it is simulated."""

    model_config = ConfigDict(populate_by_name=True)

    name: str
    about: str = ""
    hours: Length = 24.0
    seed: int = 1
    budget: int = 1000
    tick_seconds: Length = 60.0
    poll_seconds: Length = 60.0
    """The time between two checks of a CE's pilots: an event becomes known at most so late."""
    pilot_minutes: Length = 60.0
    spread: float = 0.25
    """The standard deviation of the run times of pilots, as a part of their mean."""
    sites: tuple[CEModel, ...] = Field(default=(), alias="ce")
    owners: tuple[Owner, ...] = Field(default=(Owner(name="default"),), alias="vo")
    troubles: tuple[CETrouble, ...] = Field(default=(), alias="trouble")
    drifts: tuple[Drift, ...] = Field(default=(), alias="drift")


def parse(name: str, values: Mapping[str, Any]) -> Scenario:
    """Make a scenario from the values of its file."""
    where = f"scenario {name}"
    scenario = read(Scenario, {**values, "name": name}, where)
    if not scenario.sites:
        raise Invalid(where, "it has no [[ce]]")
    ces = {ALL, *(one for site in scenario.sites for one in names_of(site))}
    ces |= {site.name for site in scenario.sites}
    for ce in [trouble.ce for trouble in scenario.troubles] + [d.ce for d in scenario.drifts]:
        if ce not in ces:
            raise Invalid(f"{where}: CE {ce}", nearest(ce, ces))
    return scenario


def names_of(site: CEModel) -> list[str]:
    """Return the names of the CEs of a model."""
    if site.count == 1:
        return [site.name]
    return [f"{site.name}{number:02d}" for number in range(site.count)]
