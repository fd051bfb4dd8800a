"""The settings of a CE and a VO, who set them, and how many pilots they admit."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from worker.services.observe.cycles import DecisionFacts


@dataclass(frozen=True, kw_only=True)
class PlaceSettings:
    """The settings of a CE, and who set the values of the CE and the VO."""

    capacity: int
    waiting_limit: int | None
    answered_at: datetime | None = None
    held_until: datetime | None = None
    setters: Mapping[str, str] = field(default_factory=dict)
    """Who set each value, in words. The keys are `ce.` or `vo.` and the value's name."""

    def source(self, text: str, name: str) -> str:
        """Write the source of a value: which value it is, and who set it."""
        setter = self.setters.get(name)
        return f"{text}, {setter}" if setter else text


def as_of(case: DecisionFacts, settings: PlaceSettings) -> PlaceSettings:
    """Return the settings at the decision; the present ones if it did not store them."""
    if case.ce.capacity is None:
        return settings
    return replace(settings, capacity=case.ce.capacity, waiting_limit=case.ce.waiting_limit)


def fits(case: DecisionFacts, settings: PlaceSettings) -> int:
    """Return how many more pilots would have fitted then, with these settings."""
    numbers = [settings.capacity - case.ce.occupying]
    if settings.waiting_limit is not None:
        numbers.append(settings.waiting_limit - case.ce.waiting)
    if case.ce.trial:
        numbers.append(case.ce.free)
    return max(0, min(numbers))


def limit_decides(case: DecisionFacts, settings: PlaceSettings) -> bool:
    """Return whether the waiting limit, as in these settings, is what limits the free slots."""
    by_slots = replace(settings, waiting_limit=None)
    return fits(case, settings) == max(0, case.ce.free) < fits(case, by_slots)
