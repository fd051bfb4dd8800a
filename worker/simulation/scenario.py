"""Scenarios: the truth about a made-up world, which no policy is told.

Times are in hours from the beginning where they are called hours, in minutes where minutes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from worker.domain.checks import at_least, between, name
from worker.domain.errors import Invalid
from worker.domain.nearest import nearest
from worker.domain.words import Described

ALL = "all"
"""A trouble or drift of every CE."""


class TroubleKind(Described):
    """What may befall a CE."""

    BLACK_HOLE = "black_hole", "Pilots that begin are dead after some minutes."
    OUTAGE = "outage", "Submissions are refused, and what runs dies at once."
    REFUSING = "refusing", "Submissions are refused; what runs goes on."
    STUCK = "stuck", "Submissions are accepted; nothing begins."
    FAILING = "failing", "Pilots fail late."


@dataclass(frozen=True, kw_only=True)
class CEModel:
    """The truth about a CE, or about so many alike."""

    name: str
    count: int = 1
    capacity: int = 40
    """What we believe it has."""
    slots: int | None = None
    """What it gives us; the capacity, unless told."""
    waiting_limit: int | None = None
    configured: float = 0.95
    accept: float = 1.0
    start: float = 0.99
    finish: float = 0.97
    never: float = 0.0
    """The part of the failed starts that end without having begun."""
    queue_minutes: float = 2.0
    """How long a pilot waits on average where a slot is free."""
    vos: tuple[str, ...] = ()
    """The VOs that may use it; none named is all."""

    def __post_init__(self) -> None:
        name("CE", self.name)
        at_least("count", self.count, 1)
        at_least("capacity", self.capacity, 0)
        at_least("slots", self.slots, 0)
        at_least("waiting_limit", self.waiting_limit, 0)
        at_least("queue_minutes", self.queue_minutes, 0)
        for told in ("configured", "accept", "start", "finish", "never"):
            between(told, getattr(self, told), 0, 1)


@dataclass(frozen=True, kw_only=True)
class CETrouble:
    """Something that befalls a CE for a time."""

    ce: str
    kind: TroubleKind
    begins: float
    ends: float
    after_minutes: float = 1.0
    """For a black hole: how long a pilot lives."""
    part: float = 1.0
    """The part of the pilots or submissions that it hits."""
    silent: bool = False
    """Whether the CE answers nothing meanwhile, so that nothing is known of its pilots."""

    def __post_init__(self) -> None:
        if self.kind not in list(TroubleKind):
            raise Invalid("trouble", nearest(str(self.kind), list(TroubleKind)))
        object.__setattr__(self, "kind", TroubleKind(self.kind))
        between("part", self.part, 0, 1)
        if not 0 <= self.begins < self.ends:
            raise Invalid("trouble", f"it begins at {self.begins} and ends at {self.ends}")


@dataclass(frozen=True, kw_only=True)
class Drift:
    """A rate that swings between two values."""

    ce: str
    of: str
    low: float
    high: float
    period: float = 12.0
    """Hours from one height to the next."""
    phase: float = 0.0
    """The part of a period by which it is ahead."""

    def __post_init__(self) -> None:
        if self.of not in ("accept", "start", "finish"):
            raise Invalid("drift", f"{self.of!r} is none of accept, start, finish")
        between("low", self.low, 0, self.high)
        between("high", self.high, self.low, 1)


@dataclass(frozen=True, kw_only=True)
class Owner:
    """A VO and its work. Without any named, its demand is unlimited."""

    name: str
    share: float = 1.0
    limit: int | None = None
    jobs: int | None = None
    """Jobs that wait at the beginning."""
    jobs_per_hour: float | None = None
    burst: int = 0
    """Jobs that come at once."""
    burst_hours: float = 6.0
    """Hours from one burst to the next; the first comes after half of them."""

    @property
    def unlimited(self) -> bool:
        """Whether it always has more work."""
        return self.jobs is None and self.jobs_per_hour is None and not self.burst


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A world, and for how long it is watched."""

    name: str
    about: str = ""
    hours: float = 24.0
    seed: int = 1
    budget: int = 1000
    tick_seconds: float = 60.0
    poll_seconds: float = 60.0
    """How often the pilots of a CE are looked at: so late is known what happened."""
    pilot_minutes: float = 60.0
    spread: float = 0.25
    """How much the time that a pilot runs differs from pilot to pilot."""
    sites: tuple[CEModel, ...] = ()
    owners: tuple[Owner, ...] = (Owner(name="default"),)
    troubles: tuple[CETrouble, ...] = ()
    drifts: tuple[Drift, ...] = ()


Part = TypeVar("Part", CEModel, CETrouble, Drift, Owner)

PARTS: Mapping[str, tuple[str, type[Any]]] = {
    "ce": ("sites", CEModel),
    "vo": ("owners", Owner),
    "trouble": ("troubles", CETrouble),
    "drift": ("drifts", Drift),
}
"""The tables of a scenario's file, and what they make."""


def parse(name: str, told: Mapping[str, Any]) -> Scenario:
    """Make a scenario of what its file says; an unknown key is an error."""
    values = {key: value for key, value in told.items() if key not in PARTS}
    _check_keys(f"scenario {name}", values, Scenario)
    for table, (field, kind) in PARTS.items():
        if table in told:
            values[field] = tuple(_part(table, kind, one) for one in told[table])
    if not values.get("sites"):
        raise Invalid(f"scenario {name}", "it has no [[ce]]")
    scenario = Scenario(name=name, **values)
    known = {ALL, *(one for site in scenario.sites for one in names_of(site))}
    known |= {site.name for site in scenario.sites}
    hit = [trouble.ce for trouble in scenario.troubles] + [drift.ce for drift in scenario.drifts]
    for ce in hit:
        if ce not in known:
            raise Invalid(f"scenario {name}: CE {ce}", nearest(ce, known))
    return scenario


def names_of(site: CEModel) -> list[str]:
    """Name the CEs that a site stands for."""
    if site.count == 1:
        return [site.name]
    return [f"{site.name}{number:02d}" for number in range(site.count)]


def _part(table: str, kind: type[Part], told: Mapping[str, Any]) -> Part:
    _check_keys(f"[[{table}]]", told, kind)
    values: Any = {key: tuple(v) if isinstance(v, list) else v for key, v in told.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise Invalid(f"[[{table}]]", str(error).partition(" ")[2]) from None


def _check_keys(where: str, told: Mapping[str, Any], kind: type[Any]) -> None:
    known = {field.name for field in fields(kind)} - {field for field, _ in PARTS.values()}
    for key in told:
        if key not in known:
            raise Invalid(f"{where}: {key}", nearest(key, known))
