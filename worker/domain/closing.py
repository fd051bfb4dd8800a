"""Why a CE or a VO is closed: it gets no pilots, whatever the policy would decide."""

from typing import NamedTuple

from worker.domain.words import Described


class ClosedBy(Described):
    """What closes a VO, or a CE to a VO."""

    DISABLED = "disabled", "The VO or the CE is disabled."
    DRAINING = "draining", "The VO or the CE is draining."
    HELD = "held", "The CE is held."
    MAINTENANCE = "maintenance", "The CE is in maintenance."
    OTHER_VOS = "other VOs", "The CE is for other VOs."
    CREDENTIAL = "credential", "The VO has no valid credential for the CE."
    NO_ANSWER = "no answer", "The CE did not answer the last call."
    REFUSES = "refuses", "The CE refused the last call."
    TRIAL = "on trial", "The CE refused pilots of the VO, and is tried again later."


class Closing(NamedTuple):
    """Why a CE or a VO is closed."""

    by: ClosedBy
    sentence: str

    def __str__(self) -> str:
        return self.sentence
