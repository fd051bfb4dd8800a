"""The driver of the back-end local."""

from collections.abc import Sequence

from worker.backends.contract import (
    Cancelled,
    Job,
    Listing,
    Means,
    Observed,
    Options,
    Order,
    Output,
    Receipt,
)
from worker.domain.ce import CE
from worker.domain.errors import Unavailable


class LocalOptions(Options):
    """What a CE of this back-end may be told."""


class LocalDriver:
    """Speaks to one CE."""

    def __init__(self, ce: CE, options: LocalOptions, means: Means) -> None:
        self.ce = ce
        self.options = options
        self.means = means

    def submit(self, orders: Sequence[Order]) -> Sequence[Receipt]:
        """Send pilots."""
        raise Unavailable(self.ce.name)

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        """Ask after jobs."""
        raise Unavailable(self.ce.name)

    def find(self) -> Listing:
        """List every job with a stamp of ours."""
        raise Unavailable(self.ce.name)

    def cancel(self, jobs: Sequence[Job]) -> Sequence[Cancelled]:
        """Ask the CE to end jobs."""
        raise Unavailable(self.ce.name)

    def output(self, job: Job) -> Output:
        """Fetch what a pilot wrote."""
        raise Unavailable(self.ce.name)
