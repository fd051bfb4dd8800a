"""Bounds of a CE's answer about one pilot, so that a bad answer does not affect other pilots.

A CE, an ad, a file or an API may answer anything, and often the pilot itself wrote the text. What
is kept fits into every database. A value that cannot be true is left out, and the reason says so.
If nothing of an answer can be kept, it counts as an unreadable answer about that pilot, and gives
it no status.
"""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from worker.domain.ce_answers import Cancelled, Observed, Receipt
from worker.domain.pilot import AT_CE, Cause, Status
from worker.domain.secrets import without_secrets
from worker.domain.texts import one_line

SMALLEST_CODE, LARGEST_CODE = -(2**31), 2**31 - 1
"""An exit code is stored in 32 bits."""

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
AHEAD = timedelta(days=1)
"""The largest difference between the clock of a CE and ours that is believed."""

LONGEST_HANDLE = 1024
"""The longest id of a job that a CE may give, in bytes. It is indexed, and an index takes no long
texts."""
LONGEST_NAME = 255
"""The longest name of a node, a VO or a CE, in characters."""
LONGEST_WORD = 500
LONGEST_REASON = 4000

UNREADABLE = "unreadable"
"""The word that is stored instead of the CE's word if the answer about a pilot is unreadable."""

_STATUSES = frozenset({*AT_CE, Status.DONE, Status.FAILED, Status.CANCELLED})
"""The statuses that a CE's answer may give; only Pilotage itself gives the others."""


def storable(text: str) -> str:
    """Replace NUL characters, and characters that UTF-8 cannot encode."""
    if text.isascii():
        return text.replace("\0", "\N{REPLACEMENT CHARACTER}") if "\0" in text else text
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def words(text: object, longest: int) -> str | None:
    """Return the beginning of a text, without secrets and so that it can be stored."""
    if not isinstance(text, str):
        return None
    # The text may be long, so it is cut first; 8 times `longest` is enough to recognise secrets.
    return without_secrets(storable(text[: 8 * longest]))[:longest]


def is_exit_code(code: object) -> bool:
    return type(code) is int and SMALLEST_CODE <= code <= LARGEST_CODE


def is_moment(moment: object, now: datetime) -> bool:
    """Return whether a moment has a zone and may be the start or the end of a pilot."""
    with suppress(ValueError, OverflowError):
        if isinstance(moment, datetime) and moment.utcoffset() is not None:
            return EARLIEST <= moment <= now + AHEAD
    return False


def is_handle(handle: object) -> bool:
    """Return whether a value can be kept as a CE's own id of a job."""
    if not isinstance(handle, str) or len(handle) > LONGEST_HANDLE:
        return False
    if handle.isascii():
        return "\0" not in handle
    return storable(handle) == handle and len(handle.encode()) <= LONGEST_HANDLE


def observed(answer: Observed, now: datetime) -> Observed:
    """Bound a CE's answer about a job."""
    problem = _problem(answer)
    if problem is not None:
        return _unreadable(answer, problem)
    raw, reason = words(answer.raw, LONGEST_WORD), words(answer.reason, LONGEST_REASON)
    untrue = dict(_untrue(answer, now))
    if untrue:
        note = f"left out because it cannot be true: {', '.join(untrue.values())}"
        reason = f"{reason}; {note}" if reason else note
    bounded: dict[str, Any] = {
        "raw": raw,
        "reason": reason,
        "vo": _name(answer.vo),
        "ce": _name(answer.ce),
        "node": _node(answer.node),
        **dict.fromkeys(untrue),
    }
    return answer._replace(**bounded)


def receipt(answer: Receipt) -> Receipt:
    """Bound a CE's answer to an order. A handle that cannot be kept is left out."""
    handle, refused = answer.handle, answer.refused
    return answer._replace(
        handle=handle if is_handle(handle) else None,
        refused=refused if isinstance(refused, Cause) else None,
        not_sent=answer.not_sent is True and handle is None and refused is None,
        raw=words(answer.raw, LONGEST_WORD),
        reason=words(answer.reason, LONGEST_REASON),
    )


def cancelled(answer: Cancelled) -> Cancelled:
    """Bound a CE's answer to a cancellation."""
    return answer._replace(
        accepted=bool(answer.accepted), reason=words(answer.reason, LONGEST_REASON)
    )


def _problem(answer: Observed) -> str | None:
    """Return why an answer cannot be kept; `None` if it can."""
    if not is_handle(answer.handle):
        return "the CE's id of the job is too long, or not a text"
    status: object = answer.status
    if status is not None and not (isinstance(status, Status) and status in _STATUSES):
        return "its status is not one that a CE can give"
    cause: object = answer.cause
    if cause is not None and not isinstance(cause, Cause):
        return "the cause of its failure is not one that exists"
    return None


def _unreadable(answer: Observed, problem: str) -> Observed:
    handle = words(answer.handle, LONGEST_HANDLE // 4)
    return Observed(
        stamp=answer.stamp,
        handle=handle or "",
        vo=_name(answer.vo),
        ce=_name(answer.ce),
        raw=UNREADABLE,
        reason=f"the answer about it cannot be read: {problem}",
    )


def _untrue(answer: Observed, now: datetime) -> Iterator[tuple[str, str]]:
    """Return the name of each value that cannot be true, with a description of the mistake."""
    if answer.exit_code is not None and not is_exit_code(answer.exit_code):
        yield "exit_code", "an exit code that is not a 32-bit number"
    for name, what in (("started_at", "a start"), ("ended_at", "an end")):
        moment = getattr(answer, name)
        if moment is not None and not is_moment(moment, now):
            yield name, f"{what} without a time zone, before 1970 or in the future"


def _name(name: object) -> str | None:
    return words(name, LONGEST_NAME)


def _node(name: object) -> str | None:
    """Bound the name of a node, and replace characters that cannot be stored or shown."""
    if not isinstance(name, str) or not name or name.isspace():
        return None
    if len(name) <= LONGEST_NAME and name.isascii() and name.isprintable():
        return name
    return one_line(name[: 8 * LONGEST_NAME], LONGEST_NAME)
