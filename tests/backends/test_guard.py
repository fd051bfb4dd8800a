"""How the guard treats an error that is not from the CE."""

from collections.abc import Sequence

from billiard.exceptions import SoftTimeLimitExceeded

from tests.expectations import refused
from worker.backends.guard import Guard
from worker.domain.ce_answers import Cancelled, Job, Listing, Observed, Order, Output, Receipt
from worker.domain.errors import Unavailable


class Slow:
    """A driver whose calls all end by the time limit of the execution."""

    def submit(self, orders: Sequence[Order]) -> list[Receipt]:
        raise SoftTimeLimitExceeded

    def poll(self, jobs: Sequence[Job]) -> list[Observed]:
        raise SoftTimeLimitExceeded

    def find(self) -> Listing:
        raise SoftTimeLimitExceeded

    def cancel(self, jobs: Sequence[Job]) -> list[Cancelled]:
        raise SoftTimeLimitExceeded

    def output(self, job: Job) -> Output:
        raise SoftTimeLimitExceeded

    def hello(self) -> str:
        raise SoftTimeLimitExceeded


def test_a_time_limit_is_no_unreadable_answer() -> None:
    with refused(Unavailable, "the execution reached its time limit"):
        Guard(Slow()).poll([Job(stamp="0" * 32, handle="1", vo="default")])
    with refused(Unavailable, "the execution reached its time limit"):
        Guard(Slow()).find()
