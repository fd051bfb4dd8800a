"""What stands around every driver, ours or a plug-in's: the promises that need no trust.

No unit of work is open during a call, hostile stamps never reach a command line, answers about
pilots that nobody asked for are dropped, nothing but a `BackendError` comes out, no text that
comes out holds what looks like a secret, and what comes out of one pilot is bounded: it can be
stored, and what cannot be true is left out of it.
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
    """A CE was about to be called with a transaction open: a mistake in our own code."""


class Guard:
    """A driver, guarded. It reads the same clock and has the same options as the driver."""

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
        """The calls that were made, until somebody has counted them."""

    def submit(self, orders: Sequence[Order]) -> list[Receipt]:
        """Send pilots; an answer for each that the CE answered."""
        return self._ask(CallKind.SUBMIT, orders, self._driver.submit, bounds.receipt)

    def poll(self, jobs: Sequence[Job]) -> list[Observed]:
        """Ask after jobs."""
        return self._ask(CallKind.POLL, jobs, self._driver.poll, self._bounded())

    def cancel(self, jobs: Sequence[Job]) -> list[Cancelled]:
        """Ask the CE to end jobs."""
        return self._ask(CallKind.CANCEL, jobs, self._driver.cancel, bounds.cancelled)

    def find(self) -> Listing:
        """List every job with a stamp of ours; words that are no stamp are left out."""
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
        """Whether the driver has something to clear away at its CE now and then."""
        return isinstance(self._driver, Tidies)

    def tidy(self) -> None:
        """Clear away what nobody needs any longer, if the driver leaves anything."""
        with self._calling(CallKind.TIDY):
            if isinstance(self._driver, Tidies):
                self._driver.tidy()

    def hello(self) -> str:
        """Reach the CE, change nothing, and say in a line who answered."""
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
            # The first answer about a pilot counts; one about another is nobody's business.
            first: dict[str, Answer] = {}
            for answer in answers:
                if answer.stamp in stamps:
                    first.setdefault(answer.stamp, bounded(answer))
            return list(first.values())

    @contextmanager
    def _calling(self, kind: CallKind) -> Iterator[None]:
        """Make one call, and note how it went and how long it took.

        An interrupted call is not counted: nobody knows how it went.
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
    """Let nothing out but a `BackendError`, and no call begin in a unit of work."""
    if uow.is_open():
        raise UnitOfWorkOpen(what)
    try:
        yield
    except BackendError:
        raise
    except PilotageError as error:
        # A driver that keeps its world in the database cannot answer without it.
        raise Unavailable(what, error) from error
    except SoftTimeLimitExceeded as error:
        raise Unavailable(what, "the time of the execution was over before it ended") from error
    except Exception as error:  # a driver may break in any way; its CE alone suffers
        log.exception("a driver broke in %s", what)
        raise Unreadable(repr(error)[:2000], what, type(error).__name__, str(error)) from error


def _has_stamp(job: Observed) -> bool:
    stamp: object = job.stamp
    return isinstance(stamp, str) and is_stamp(stamp)
