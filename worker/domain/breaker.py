"""The states of a CE's breaker."""

from worker.domain.words import Described


class Breaker(Described):
    """Whether pilots are sent to a CE."""

    CLOSED = "closed", "Pilots are sent."
    OPEN = "open", "The CE is paused; only a probe is sent now and then."
    HELD = "held", "An operator paused the CE; nothing is sent."

    @property
    def shown(self) -> str:
        """The word that people read."""
        return {"closed": "normal", "open": "paused"}.get(self.value, self.value)
