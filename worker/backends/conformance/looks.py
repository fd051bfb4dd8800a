"""Functions by which the cases send pilots, poll a CE and wait for it."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import pytest

from worker.backends.conformance.site import Life, Site, Trouble
from worker.backends.contract import Driver
from worker.backends.guard import Guard
from worker.domain.ce_answers import Job, Listing, Observed, Order, Receipt
from worker.domain.errors import (
    BackendError,
)
from worker.domain.pilot import FINAL, Status

Value = TypeVar("Value")

ATTEMPTS = 5
"""Attempts until a driver is considered slow."""


class Spy:
    """A driver that records the calls made to it."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self.calls.append(name)
            return getattr(self._driver, name)(*arguments)

        return call


def connect(site: Site, life: Life = Life.LONG) -> Guard:
    """Make a guarded driver of the CE."""
    return Guard(site.connect(life), site.now)


def send(site: Site, count: int, life: Life = Life.LONG) -> tuple[Guard, list[Job]]:
    """Connect and send pilots, and wait until the CE certainly lists them."""
    driver = connect(site, life)
    return driver, send_by(site, driver, count)


def send_by(site: Site, driver: Guard, count: int) -> list[Job]:
    """Send pilots by this driver, and wait until the CE certainly lists them."""
    orders = site.orders(count)
    handles = handles_of(driver.submit(orders))
    site.wait(site.visibility_delay)
    return [Job(stamp=order.stamp, handle=handles[order.stamp], vo=order.vo) for order in orders]


def handles_of(receipts: Sequence[Receipt]) -> dict[str, str]:
    """Return the handle of each stamp; every pilot must have exactly one receipt."""
    counts = Counter(receipt.stamp for receipt in receipts)
    assert set(counts.values()) <= {1}, "a pilot has two receipts"
    return {receipt.stamp: _handle(receipt) for receipt in receipts}


def _handle(receipt: Receipt) -> str:
    assert receipt.handle, f"{receipt} has no handle"
    assert receipt.refused is None, f"{receipt} is refused and has a handle"
    return receipt.handle


def find_all(site: Site, driver: Guard) -> dict[str, list[str]]:
    """Return the handles of each stamp, after the CE certainly lists every job."""
    site.wait(site.visibility_delay)
    listing = driver.find()
    assert listing.complete
    handles: dict[str, list[str]] = {}
    for job in listing.jobs:
        assert not job.absent, "a job that is listed is not absent"
        handles.setdefault(job.stamp, []).append(job.handle)
    return handles


def look(driver: Guard, jobs: Sequence[Job]) -> dict[str, Observed]:
    """Poll jobs; return the answer for each stamp."""
    return {answer.stamp: answer for answer in driver.poll(jobs)}


def until_final(site: Site, driver: Guard, job: Job) -> Observed:
    """Wait until a job has ended."""
    return until(site, lambda: look_for(lambda one: one.status in FINAL, driver, job), "the end")


def until_status(site: Site, driver: Guard, job: Job, status: Status) -> Observed:
    """Wait until a job has a status."""
    return until(site, lambda: look_for(lambda one: one.status is status, driver, job), str(status))


def is_over(answer: Observed) -> bool:
    """Return whether a job has ended, or is not known any longer."""
    return answer.absent or answer.status in FINAL


def look_for(condition: Callable[[Observed], bool], driver: Guard, job: Job) -> Observed | None:
    """Poll a job; return the answer if it meets the condition, otherwise `None`."""
    answer = look(driver, [job]).get(job.stamp)
    return answer if answer is not None and condition(answer) else None


def until(site: Site, look: Callable[[], Value | None], what: str) -> Value:
    """Call `look` until it returns a value; give up after `Site.patience` calls."""
    for _ in range(site.patience):
        value = look()
        if value is not None:
            return value
        site.wait(site.step)
    raise AssertionError(f"waited in vain for {what}")


def once_in_time(attempt: Callable[[], bool]) -> bool:
    """Return whether at least one of a few attempts was in time.

    A machine that stops for a moment delays one attempt; a faulty driver delays each of them.
    """
    return any(attempt() for _ in range(ATTEMPTS))


@contextmanager
def trouble_at(site: Site, trouble: Trouble, *stamps: str) -> Iterator[None]:
    """Make trouble, or skip the case with the reason why it cannot be made."""
    if trouble in site.cannot:
        pytest.skip(f"{trouble}: {site.cannot[trouble]}")
    with site.provoke(trouble, stamps):
        yield


def calls_of(
    driver: Guard, orders: Sequence[Order], jobs: Sequence[Job]
) -> list[Callable[[], object]]:
    """Return the calls of a driver that are not about a single job."""
    return [
        lambda: driver.submit(orders),
        lambda: driver.poll(jobs),
        driver.find,
        lambda: driver.cancel(jobs),
        driver.hello,
    ]


def raises_only_backend_errors(call: Callable[[], object]) -> bool:
    """Return `True` after an answer or a `BackendError`; any other error fails the test."""
    with suppress(BackendError):
        call()
    return True


def answers_of(call: Callable[[], list[Value]]) -> list[Value]:
    """Return the answers of a call; no answers after a `BackendError`."""
    try:
        return call()
    except BackendError:
        return []


def listing_of(driver: Guard) -> Listing | None:
    """Return the listing of a driver; `None` after a `BackendError`."""
    try:
        return driver.find()
    except BackendError:
        return None


def stamps_of(orders: Sequence[Order | Job]) -> set[str]:
    """Return the stamps of orders or jobs."""
    return {order.stamp for order in orders}


def are_same(answers: Sequence[Observed], jobs: Sequence[Job]) -> bool:
    """Return whether the answers are about exactly these jobs, each once."""
    return Counter((one.stamp, one.handle) for one in answers) == Counter(
        (job.stamp, job.handle) for job in jobs
    )


def is_harmless(text: str) -> bool:
    """Return whether a text can be stored, sent and shown."""
    return text.encode("utf-8", "replace").decode() == text and all(
        character.isprintable() or character in "\n\t" for character in text
    )
