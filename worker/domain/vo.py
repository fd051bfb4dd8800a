"""A virtual organisation: an owner of pilots."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from worker.domain import timeouts
from worker.domain.checks import at_least, require_length, require_name
from worker.domain.demand import DemandBounds
from worker.domain.errors import Invalid

DEFAULT_VO = "default"
"""The VO that is used where none is named."""


ALL_VOS = "all"
"""The word that stands for every VO, for a CE that is open to all."""


@dataclass(frozen=True, kw_only=True)
class VO:
    """An owner of pilots, with a share, a limit and a demand. `None` is without limit.

    A budget bounds how many pilots one tick may add. The demand may come from a source instead;
    which settings `source` has depends on the kind of the source. A time-out of `None` is off. The
    bounds of the demand are in pilots altogether.
    """

    name: str
    share: float = 1.0
    limit: int | None = None
    demand: int | None = None
    enabled: bool = True
    draining: bool = False
    budget: int | None = None
    cancel_surplus: bool = False
    wait_at_most: timedelta | None = None
    run_at_most: timedelta | None = None
    silent_at_most: timedelta | None = None
    idle_at_most: timedelta | None = None
    demand_min: int | None = None
    demand_max: int | None = None
    scale_down_delay: timedelta | None = None
    source: Mapping[str, Any] | None = None
    id: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        require_name("VO", self.name)
        if self.name == ALL_VOS:
            raise Invalid(f"VO name {ALL_VOS!r}", "it means every VO")
        at_least("share", self.share, 0)
        at_least("limit", self.limit, 0)
        at_least("demand", self.demand, 0)
        at_least("budget", self.budget, 0)
        timeouts.check(self)
        require_length("idle at most", self.idle_at_most)
        at_least("demand min", self.demand_min, 0)
        at_least("demand max", self.demand_max, 0)
        require_length("scale-down delay", self.scale_down_delay)

    @property
    def bounds(self) -> DemandBounds:
        """Return the bounds of its demand."""
        return DemandBounds(
            least=self.demand_min, most=self.demand_max, delay=self.scale_down_delay
        )
