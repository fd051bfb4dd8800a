"""A decision: the stored reason of one allocation."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from worker.domain.checks import at_least


@dataclass(frozen=True, kw_only=True)
class Decision:
    """How many pilots one cycle gave a CE for a VO, why, and every step on the way."""

    vo: str
    ce: str
    at: datetime
    granted: int
    reason: str
    trace: Mapping[str, Any]
    times: int = 1
    """How many cycles of the VO in a row decided the same; `at` is the time of the last."""

    def __post_init__(self) -> None:
        at_least("granted", self.granted, 0)
