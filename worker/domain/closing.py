"""Why a CE or a VO is closed: it gets no pilots, whatever the policy thinks of it."""

from enum import StrEnum
from typing import NamedTuple


class ClosedBy(StrEnum):
    """What closes a CE to a VO, or a VO."""

    DISABLED = "disabled"
    DRAINING = "draining"
    HELD = "held"
    MAINTENANCE = "maintenance"
    OTHER_VOS = "other VOs"
    CREDENTIAL = "credential"
    NO_ANSWER = "no answer"
    REFUSES = "refuses"


class Closing(NamedTuple):
    """Why a CE or a VO is closed."""

    by: ClosedBy
    sentence: str

    def __str__(self) -> str:
        """Return the sentence."""
        return self.sentence
