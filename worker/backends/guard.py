"""The guard around every driver, ours or a plug-in's: promises that hold whatever a driver does.

No unit of work is open during a call. Hostile stamps never reach a command line. Answers about
pilots that were not asked about are dropped. Only a `BackendError` is raised. No returned text
holds anything that looks like a secret. The answer about each pilot is bounded: it can be stored,
and values that cannot be true are left out.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import TypeVar

from billiard.exceptions import SoftTimeLimitExceeded

from worker.backends.contract import DEFAULT_OPTIONS, Driver, Options, Tidies
from worker.db import uow
from worker.domain import bounds
from worker.domain.call_tally import Call, CallKind, CallOutcome, outcome_of
from worker.domain.ce_answers import Cancelled, Job, Listing, Observed, Order, Output, Receipt
from worker.domain.errors import BackendError, PilotageError, Unavailable, Unreadable
from worker.domain.pilot import check_stamp, check_stamps, is_stamp
from worker.domain.secrets import without_secrets
from worker.tracing import span

log = logging.getLogger(__name__)

_this_moment = partial(datetime.now, UTC)


Item = TypeVar("Item", Order, Job)
Answer = TypeVar("Answer", Receipt, Observed, Cancelled)


class UnitOfWorkOpen(AssertionError):
    """A CE was about to be called while a transaction was open: a bug in our own code."""


class Guard:
    """A guarded driver. It has the same clock and the same options as the driver inside."""

    def __init__(
        self,
        driver: Driver,
        now: Callable[[], datetime] = _this_moment,
        options: Options = DEFAULT_OPTIONS,
    ) -> None:
        self._driver = driver
        self._now = now
        self.options = options
        self.calls: list[Call] = []
        """The calls that were made and not counted yet."""

    def submit(self, orders: Sequence[Order]) -> list[Receipt]:
        """Send pilots; return a receipt for each order that the CE answered."""
        return self._ask(CallKind.SUBMIT, orders, self._driver.submit, bounds.receipt)

    def poll(self, jobs: Sequence[Job]) -> list[Observed]:
        """Query jobs."""
        return self._ask(CallKind.POLL, jobs, self._driver.poll, self._bounded())

    def cancel(self, jobs: Sequence[Job]) -> list[Cancelled]:
        """Ask the CE to end jobs."""
        return self._ask(CallKind.CANCEL, jobs, self._driver.cancel, bounds.cancelled)

    def find(self) -> Listing:
        """List every job with a stamp of ours; jobs whose stamp is not a valid one are left out."""
        with self._calling(CallKind.FIND):
            listing, bounded = self._driver.find(), self._bounded()
            return Listing(
                jobs=[bounded(job) for job in listing.jobs if _has_stamp(job)],
                complete=listing.complete,
                as_of=listing.as_of,
                vos=listing.vos,
            )

    def output(self, job: Job) -> Output:
        """Fetch what a pilot wrote."""
        check_stamp(job.stamp)
        with self._calling(CallKind.OUTPUT):
            written = self._driver.output(job)
            return Output(text=without_secrets(written.text), truncated=written.truncated)

    @property
    def tidies(self) -> bool:
        """Whether the driver has something to clean up at its CE now and then."""
        return isinstance(self._driver, Tidies)

    def tidy(self) -> None:
        """Clean up what is no longer needed, if the driver leaves anything at the CE."""
        with self._calling(CallKind.TIDY):
            if isinstance(self._driver, Tidies):
                self._driver.tidy()

    def hello(self) -> str:
        """Contact the CE and change nothing; return in one line what answered."""
        with _guarded("hello"):
            return " ".join(without_secrets(self._driver.hello()).split())[:200]

    def _ask(
        self,
        kind: CallKind,
        items: Sequence[Item],
        call: Callable[[Sequence[Item]], Sequence[Answer]],
        bounded: Callable[[Answer], Answer],
    ) -> list[Answer]:
        stamps = {item.stamp for item in items}
        check_stamps(stamps)
        if not stamps:
            return []
        with self._calling(kind):
            answers = call(items)
            # The first answer about a pilot counts; an answer about any other pilot is dropped.
            first: dict[str, Answer] = {}
            for answer in answers:
                if answer.stamp in stamps:
                    first.setdefault(answer.stamp, bounded(answer))
            return list(first.values())

    @contextmanager
    def _calling(self, kind: CallKind) -> Iterator[None]:
        """Make one call, and note its outcome and its duration.

        An interrupted call is not counted: its outcome is unknown.
        """
        began = monotonic()
        try:
            with span(f"call {kind}"), _guarded(str(kind)):
                yield
        except BackendError as error:
            self.calls.append(Call(kind, outcome_of(error), monotonic() - began))
            raise
        self.calls.append(Call(kind, CallOutcome.ANSWERED, monotonic() - began))

    def _bounded(self) -> Callable[[Observed], Observed]:
        return partial(bounds.observed, now=self._now())


@contextmanager
def _guarded(what: str) -> Iterator[None]:
    """Turn every error of the block into a `BackendError`; refuse a call in a unit of work."""
    if uow.is_open():
        raise UnitOfWorkOpen(what)
    try:
        yield
    except BackendError:
        raise
    except PilotageError as error:
        # A driver that keeps its state in the database cannot answer without the database.
        raise Unavailable(what, error) from error
    except SoftTimeLimitExceeded as error:
        raise Unavailable(
            what, "the execution reached its time limit before the call ended"
        ) from error
    except Exception as error:  # a driver may fail in any way; only its own CE is affected
        log.exception("a driver failed in %s", what)
        raise Unreadable(repr(error)[:2000], what, type(error).__name__, str(error)) from error


def _has_stamp(job: Observed) -> bool:
    stamp: object = job.stamp
    return isinstance(stamp, str) and is_stamp(stamp)
