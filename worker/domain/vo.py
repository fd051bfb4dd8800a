"""A virtual organisation: an owner of pilots."""

from dataclasses import dataclass, field

from worker.domain.checks import at_least, name

DEFAULT_VO = "default"
"""The VO that is meant wherever none is named."""


@dataclass(frozen=True, kw_only=True)
class VO:
    """An owner of pilots, with a share, a limit and a demand. `None` is without limit."""

    name: str
    share: float = 1.0
    limit: int | None = None
    demand: int | None = None
    enabled: bool = True
    id: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        name("VO", self.name)
        at_least("share", self.share, 0)
        at_least("limit", self.limit, 0)
        at_least("demand", self.demand, 0)
