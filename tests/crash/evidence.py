"""What the CEs were asked and what they answered: only this may change a status.

A `Witness` stands between our code and a driver and writes down each call. Its notes belong to the
test and not to a process that may be killed, so they outlive the process.
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
"""Complete listings that must lack a pilot in doubt before it may be lost."""

ABSENCES = 3
"""Answers that must not know a pilot that the CE had before it may be lost."""

ABSENT_FOR = timedelta(minutes=10)
"""Time that must lie between the first and the last of these answers."""


@dataclass
class Evidence:
    """All calls to the CEs and their answers, since the beginning."""

    submissions: Counter[str] = field(default_factory=Counter)
    statements: dict[tuple[str, Status], datetime] = field(default_factory=dict)
    absences: dict[str, list[datetime]] = field(default_factory=dict)
    listings: dict[str, list[tuple[datetime, Listing]]] = field(default_factory=dict)
    senders: dict[str, str] = field(default_factory=dict)
    """The CE that was asked to run each stamp."""
    cancellations: list[tuple[str, str]] = field(default_factory=list)
    """Each CE that was asked to end a job, and the stamp."""

    def copy(self) -> "Evidence":
        """Copy the evidence so far."""
        return Evidence(
            submissions=self.submissions.copy(),
            statements=self.statements.copy(),
            absences={stamp: list(times) for stamp, times in self.absences.items()},
            listings={ce: list(pairs) for ce, pairs in self.listings.items()},
            senders=self.senders.copy(),
            cancellations=self.cancellations.copy(),
        )

    def said_so(self, stamp: str, status: Status, since: datetime) -> bool:
        """Return whether a CE said since a moment that a pilot has this status."""
        at = self.statements.get((stamp, status))
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
        """Return the number of answers since a moment that did not know a pilot, and their span."""
        moments = [at for at in self.absences.get(stamp, ()) if at >= since]
        return len(moments), (moments[-1] - moments[0] if moments else timedelta())

    def sent_twice(self) -> list[str]:
        """Return the stamps that a CE was asked to run more than once."""
        return sorted(stamp for stamp, times in self.submissions.items() if times > 1)

    def note(self, answers: Sequence[Observed], at: datetime) -> None:
        """Write down what a CE said of jobs."""
        for answer in answers:
            if answer.absent:
                self.absences.setdefault(answer.stamp, []).append(at)
                continue
            self.absences.pop(answer.stamp, None)
            if answer.status is not None:
                self.statements[answer.stamp, answer.status] = at
            if answer.status is Status.CANCELLED:  # somebody else may have done it
                self.statements[answer.stamp, Status.FAILED] = at


class Witness:
    """A driver that writes down each call and, by `now`, the time of its answer."""

    def __init__(
        self, driver: Driver, ce: str, evidence: Evidence, now: Callable[[], datetime]
    ) -> None:
        self._driver = driver
        self._ce = ce
        self._evidence = evidence
        self._now = now

    def submit(self, orders: Sequence[Order]) -> Sequence[Receipt]:
        stamps = [order.stamp for order in orders]
        self._evidence.submissions.update(stamps)
        self._evidence.senders |= dict.fromkeys(stamps, self._ce)
        with self._refusals(stamps):
            receipts = self._driver.submit(orders)
        for receipt in receipts:
            became = Status.FAILED if receipt.refused else Status.SUBMITTED
            self._evidence.statements[receipt.stamp, became] = self._now()
        return receipts

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        answers = self._driver.poll(jobs)
        self._evidence.note(answers, self._now())
        return answers

    def find(self) -> Listing:
        listing = self._driver.find()
        # A listing may show jobs of a neighbour; it is no answer about those.
        senders = self._evidence.senders
        own = [job for job in listing.jobs if senders.get(job.stamp, self._ce) == self._ce]
        self._evidence.note(own, self._now())
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
        """A refusal of the whole call refuses each pilot."""
        try:
            yield
        except (Refused, CredentialProblem):
            for stamp in stamps:
                self._evidence.statements[stamp, Status.FAILED] = self._now()
            raise


def witnessed(backend: Backend, evidence: Evidence) -> Backend:
    """Put a witness before every driver of a back-end."""

    def driver(ce: Any, options: Any, means: Any) -> Witness:
        return Witness(backend.driver(ce, options, means), ce.name, evidence, means.now)

    return replace(backend, driver=driver)
