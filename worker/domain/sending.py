"""Whether a CE is sent pilots."""

from datetime import datetime

from worker.domain.words import Described


class Sending(Described):
    """Whether pilots are sent to a CE."""

    NORMAL = "normal", "Pilots are sent."
    PAUSED = "paused", "Its pilots failed; only a probe is sent now and then."
    HELD = "held", "An operator paused the CE, or a backup was restored; nothing is sent."


def is_held(sending: Sending, until: datetime | None, now: datetime) -> bool:
    """Return whether an operator holds a CE now; the time of a hold may be over."""
    return sending is Sending.HELD and (until is None or now < until)
