"""Whether a CE is sent pilots."""

from worker.domain.words import Described


class Sending(Described):
    """Whether pilots are sent to a CE."""

    NORMAL = "normal", "Pilots are sent."
    PAUSED = "paused", "Its pilots failed; only a probe is sent now and then."
    HELD = "held", "An operator paused the CE; nothing is sent."
