"""What the CEs were asked and what they said: the only ground on which a status may change.

A `Witness` stands between our code and a driver and writes down what passes. What it writes is of
the test and not of a process that may be killed, so it stands when the process is gone.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from worker.backends.contract import Backend, Driver
from worker.domain.ce_answers import Cancelled, Job, Listing, Observed, Order, Output, Receipt
from worker.domain.errors import CredentialProblem, Refused
from worker.domain.pilot import Status

LISTINGS = 2
"""So many complete listings lack a pilot in doubt before it may be lost."""

ABSENCES = 3
"""So many answers do not know a pilot that the CE had before it may be lost."""

ABSENT_FOR = timedelta(minutes=10)
"""And so long lies between the first and the last of them."""


@dataclass
class Evidence:
    """What passed between us and the CEs, since the beginning."""

    sent: Counter[str] = field(default_factory=Counter)
    said: dict[tuple[str, Status], datetime] = field(default_factory=dict)
    absences: dict[str, list[datetime]] = field(default_factory=dict)
    listings: dict[str, list[tuple[datetime, Listing]]] = field(default_factory=dict)
    senders: dict[str, str] = field(default_factory=dict)
    """The CE that was asked to run each stamp."""
    cancellations: list[tuple[str, str]] = field(default_factory=list)
    """Each CE that was asked to end a job, and the stamp."""

    def copy(self) -> "Evidence":
        """Take what is known so far."""
        return Evidence(
            sent=self.sent.copy(),
            said=self.said.copy(),
            absences={stamp: list(times) for stamp, times in self.absences.items()},
            listings={ce: list(seen) for ce, seen in self.listings.items()},
            senders=self.senders.copy(),
            cancellations=self.cancellations.copy(),
        )

    def said_so(self, stamp: str, status: Status, since: datetime) -> bool:
        """Tell whether a CE said since a moment that a pilot has this status."""
        at = self.said.get((stamp, status))
        return at is not None and at >= since

    def lacked(self, ce: str, vo: str, stamp: str, after: datetime) -> int:
        """Count the complete listings, made after a moment, that lack a stamp of a VO."""
        return sum(
            at > after
            and listing.complete
            and (listing.vos is None or vo in listing.vos)
            and all(job.stamp != stamp for job in listing.jobs)
            for at, listing in self.listings.get(ce, ())
        )

    def denied(self, stamp: str, since: datetime) -> tuple[int, timedelta]:
        """Count the answers since a moment that did not know a pilot, and the time they span."""
        found = [at for at in self.absences.get(stamp, ()) if at >= since]
        return len(found), (found[-1] - found[0] if found else timedelta())

    def sent_twice(self) -> list[str]:
        """Name the stamps that a CE was asked to run more than once."""
        return sorted(stamp for stamp, times in self.sent.items() if times > 1)

    def observed(self, answers: Sequence[Observed], at: datetime) -> None:
        """Write down what a CE said of jobs."""
        for answer in answers:
            if answer.absent:
                self.absences.setdefault(answer.stamp, []).append(at)
                continue
            self.absences.pop(answer.stamp, None)
            if answer.status is not None:
                self.said[answer.stamp, answer.status] = at
            if answer.status is Status.CANCELLED:  # somebody else may have done it
                self.said[answer.stamp, Status.FAILED] = at


class Witness:
    """A driver that writes down what passes, and when the CE said it: `now` tells that."""

    def __init__(
        self, driver: Driver, ce: str, evidence: Evidence, now: Callable[[], datetime]
    ) -> None:
        self._driver = driver
        self._ce = ce
        self._evidence = evidence
        self._now = now

    def submit(self, orders: Sequence[Order]) -> Sequence[Receipt]:
        stamps = [order.stamp for order in orders]
        self._evidence.sent.update(stamps)
        self._evidence.senders |= dict.fromkeys(stamps, self._ce)
        with self._refusals(stamps):
            receipts = self._driver.submit(orders)
        for receipt in receipts:
            became = Status.FAILED if receipt.refused else Status.SUBMITTED
            self._evidence.said[receipt.stamp, became] = self._now()
        return receipts

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        answers = self._driver.poll(jobs)
        self._evidence.observed(answers, self._now())
        return answers

    def find(self) -> Listing:
        listing = self._driver.find()
        # What it shows of a neighbour's jobs is no answer to a question after them.
        senders = self._evidence.senders
        own = [job for job in listing.jobs if senders.get(job.stamp, self._ce) == self._ce]
        self._evidence.observed(own, self._now())
        self._evidence.listings.setdefault(self._ce, []).append((self._now(), listing))
        return listing

    def cancel(self, jobs: Sequence[Job]) -> Sequence[Cancelled]:
        self._evidence.cancellations += [(self._ce, job.stamp) for job in jobs]
        return self._driver.cancel(jobs)

    def output(self, job: Job) -> Output:
        return self._driver.output(job)

    def hello(self) -> str:
        return self._driver.hello()

    @contextmanager
    def _refusals(self, stamps: Sequence[str]) -> Any:
        """A refusal as a whole says of each pilot that it was not taken."""
        try:
            yield
        except (Refused, CredentialProblem):
            for stamp in stamps:
                self._evidence.said[stamp, Status.FAILED] = self._now()
            raise


def witnessed(backend: Backend, evidence: Evidence) -> Backend:
    """Let a witness stand before every driver of a back-end."""

    def driver(ce: Any, options: Any, means: Any) -> Witness:
        return Witness(backend.driver(ce, options, means), ce.name, evidence, means.now)

    return replace(backend, driver=driver)
