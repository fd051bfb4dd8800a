"""A compute element: a place that runs pilots."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from worker.domain import timeouts
from worker.domain.checks import at_least, between, require_name
from worker.domain.errors import Invalid


@dataclass(frozen=True, kw_only=True)
class CE:
    """A place that runs pilots. With a waiting limit of `None`, only the capacity limits it.

    A time-out of `None` is off. With `end_running`, pilots that still run at `drain_by` are
    cancelled, too.
    """

    name: str
    backend: str
    capacity: int
    success_rate: float = 1.0
    waiting_limit: int | None = None
    enabled: bool = True
    draining: bool = False
    drain_by: datetime | None = None
    end_running: bool = False
    wait_at_most: timedelta | None = None
    run_at_most: timedelta | None = None
    silent_at_most: timedelta | None = None
    cancel_strangers: bool = False
    open_to_all: bool = True
    tags: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    id: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        require_name("CE", self.name)
        require_name("back-end", self.backend)
        at_least("capacity", self.capacity, 0)
        between("success rate", self.success_rate, 0, 1)
        at_least("waiting limit", self.waiting_limit, 0)
        if self.drain_by is not None and self.drain_by.tzinfo is None:
            raise Invalid("drain by", f"{self.drain_by} has no time zone: write 2026-01-31T12:00Z")
        timeouts.check(self)
        for tag in self.tags:
            require_name("tag", tag)
