"""Why a CE or a VO is closed: it gets no pilots, whatever the policy would decide."""

from enum import StrEnum
from typing import NamedTuple


class ClosedBy(StrEnum):
    """What closes a VO, or a CE to a VO."""

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
        return self.sentence
