"""Whether a CE answers: as a word for lists, and as a sentence with the reason."""

from datetime import datetime
from typing import Protocol

from worker.domain.lengths import in_two_units

NOT_ANSWERING = "not answering"
REFUSING = "calls refused"
NOT_ASKED = "not asked"


class Calls(Protocol):
    """What is known of the last calls of a CE."""

    @property
    def failed_calls(self) -> int:
        """How many of the last calls failed in a row."""

    @property
    def unanswered_since(self) -> datetime | None:
        """When the first of the calls without an answer failed."""

    @property
    def last_error(self) -> str | None:
        """The error of the last call."""

    @property
    def retry_at(self) -> datetime | None:
        """When the CE is called again."""


def is_backing_off(calls: Calls, now: datetime) -> bool:
    """Return whether a CE is not called now, because its last calls failed."""
    return calls.retry_at is not None and now < calls.retry_at


def state_of_calls(calls: Calls) -> str | None:
    """Return a word for a CE whose calls fail, for lists."""
    if not calls.failed_calls:
        return None
    return REFUSING if calls.unanswered_since is None else NOT_ANSWERING


def sentence_of_calls(calls: Calls, now: datetime) -> str | None:
    """Return since when a CE does not answer, why, and when it is called again, in a sentence."""
    since = calls.unanswered_since
    return _sentence(calls, f" for {in_two_units(now - since)}" if since else "", now)


def reason_not_to_send(calls: Calls, now: datetime) -> str | None:
    """Return the same for a decision. The text is the same until the CE is called again."""
    since = calls.unanswered_since
    return _sentence(calls, f" since {since:%H:%M:%S}Z" if since else "", now)


def _sentence(calls: Calls, time: str, now: datetime) -> str | None:
    state = state_of_calls(calls)
    if state is None:
        return None
    why = f" ({calls.last_error})" if calls.last_error else ""
    fact = "no answer" if state == NOT_ANSWERING else state
    return f"{fact}{time}{why}, {_again(calls.retry_at, now)}"


def _again(retry_at: datetime | None, now: datetime) -> str:
    if retry_at is None:
        return "asked again by the next task"
    due = f"{retry_at:%H:%M:%S}Z"
    return f"asked again at {due}" if now < retry_at else f"due to be asked again since {due}"
