"""What is set at a CE and a VO, by whom, and what it lets in."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from worker.services.observe.cycles import DecisionFacts


@dataclass(frozen=True, kw_only=True)
class PlaceSettings:
    """What is set at a CE, and by whom."""

    capacity: int
    waiting_limit: int | None
    answered_at: datetime | None = None
    held_until: datetime | None = None
    setters: Mapping[str, str] = field(default_factory=dict)
    """Who set each value, in words, by `ce.` or `vo.` and its name."""

    def source(self, text: str, name: str) -> str:
        """Write where a value comes from: which it is, and who set it."""
        setter = self.setters.get(name)
        return f"{text}, {setter}" if setter else text


def as_of(case: DecisionFacts, settings: PlaceSettings) -> PlaceSettings:
    """Return what was set when it was decided; of before that was kept, what is set now."""
    if case.ce.capacity is None:
        return settings
    return replace(settings, capacity=case.ce.capacity, waiting_limit=case.ce.waiting_limit)


def fits(case: DecisionFacts, settings: PlaceSettings) -> int:
    """Return how many more pilots would fit then, with what is set now."""
    by_slots = settings.capacity - case.ce.occupying
    limit = settings.waiting_limit
    return max(0, by_slots if limit is None else min(by_slots, limit - case.ce.waiting))


def limit_decides(case: DecisionFacts, settings: PlaceSettings) -> bool:
    """Return whether the waiting limit, as it is set now, keeps the free slots so few."""
    by_slots = replace(settings, waiting_limit=None)
    return fits(case, settings) == max(0, case.ce.free) < fits(case, by_slots)
