"""The meaning of a pilot's recorded end: a status, a cause and a reason."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from worker.domain import exits
from worker.domain.ce_answers import Observed
from worker.domain.exits import LAST_SIGNAL
from worker.domain.pilot import Cause, Status

_LONGEST_WORD = 100
_LARGEST_CODE = 255
"""The largest exit code of a process. A code below zero is the signal that ended the process."""

_WHY: Mapping[str, tuple[Status, Cause | None, str]] = {
    "cancelled": (Status.CANCELLED, None, "it was asked to end"),
    "removed": (Status.FAILED, Cause.REMOVED, "somebody else told its keeper to end it"),
    "walltime": (Status.FAILED, Cause.WALLTIME, "its time was up"),
    "rebooted": (Status.FAILED, Cause.NODE, "the host was rebooted while it ran"),
    "killed": (Status.FAILED, Cause.SIGNAL, "its keeper was killed, and the pilot with it"),
    "never_started": (Status.FAILED, Cause.NEVER_STARTED, "no process was made for it"),
    "unreadable": (Status.FAILED, Cause.UNKNOWN, "the record of its end cannot be read"),
}


def observed_end(stamp: str, end: Mapping[str, Any]) -> Observed:
    """Return how a pilot ended.

    A record with an unknown word is an end, too: the keeper of the pilot is gone.
    """
    code, why = end.get("code"), end.get("why")
    code = code if type(code) is int and -LAST_SIGNAL <= code <= _LARGEST_CODE else None
    if why is None:
        raw = "unreadable" if code is None else f"exit {code}"
        status, cause, reason = _by_code(code)
    elif isinstance(why, str) and why in _WHY:
        raw, (status, cause, reason) = why, _WHY[why]
    else:
        raw, (status, cause, reason) = ascii(why)[:_LONGEST_WORD], _WHY["unreadable"]
    return Observed(
        stamp=stamp,
        handle=stamp,
        status=status,
        cause=cause,
        raw=raw,
        reason=reason,
        exit_code=exits.code_of(-code) if code is not None and code < 0 else code,
        started_at=_moment(end.get("started_at")),
        ended_at=_moment(end.get("ended_at")),
    )


def _by_code(code: int | None) -> tuple[Status, Cause | None, str | None]:
    if code is None:
        return _WHY["unreadable"]
    return Status.FAILED if code else Status.DONE, *exits.meaning(code)


def _moment(written: object) -> datetime | None:
    with suppress(ValueError, TypeError):
        return datetime.fromisoformat(str(written)) if written is not None else None
    return None
