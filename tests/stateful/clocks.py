"""The clocks of a play. Nothing waits for any of them."""

from datetime import datetime, timedelta

from tests.factories import NOW


class Clocks:
    """Ours, which an operator may set; the CEs' own; and a ledger's, which never goes back.

    Between two moments the ledger's clock goes on by no less than ours. So a time that our code
    must wait for by our clock has passed by the ledger's clock, too.
    """

    def __init__(self) -> None:
        self.ours = self.true = self.ledger = NOW
        self.was_set_back = False

    def now(self) -> datetime:
        """Read our clock."""
        return self.ours

    def at_the_ces(self) -> datetime:
        """Read the CEs' clock."""
        return self.true

    def in_the_ledger(self) -> datetime:
        """Read the ledger's clock."""
        return self.ledger

    def go_on(self, seconds: float) -> None:
        """Let time pass."""
        self.true += timedelta(seconds=seconds)
        self.set_by(seconds)

    def set_by(self, seconds: float) -> None:
        """Set our clock forward or back."""
        self.ours += timedelta(seconds=seconds)
        self.ledger += timedelta(seconds=max(0.0, seconds))
        self.was_set_back |= seconds < 0
