"""What A-REX tells of one job, read off its answers. Nothing here asks anybody."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from worker.backends.arc.rest import as_list
from worker.domain.texts import legible

_NAME = re.compile(r"<(?:\w+:)?Name>([^<]{1,200})</(?:\w+:)?Name>")
_CONFIRMS = re.compile(r"nordugrid:INLRMS:R\b")
# The word of A-REX itself stands in a document that was not gathered, too.
_TERMINAL = "emies:terminal"
_LONGEST = 2000


class Word(NamedTuple):
    """The answer to the question after the state of a job: A-REX's own word."""

    code: str
    state: str
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Details:
    """The CE's own information on a job, gathered at intervals; it may be old, or missing."""

    name: str | None = None
    states: tuple[str, ...] = ()
    exit_code: str | None = None
    error: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    node: str | None = None

    @property
    def runs(self) -> bool:
        """Whether it says that the batch system runs the job: not only that it has it."""
        return any(_CONFIRMS.match(state) for state in self.states)

    @property
    def is_over(self) -> bool:
        """Whether it was gathered after the end of the job."""
        return _TERMINAL in self.states


def code_of(answer: Mapping[str, Any]) -> str:
    """Read the status code of the answer on one job; that of the whole says nothing of it."""
    return str(answer.get("status-code", ""))


def read_word(answer: Mapping[str, Any]) -> Word:
    """Read an answer to `status`."""
    reason = answer.get("reason")
    return Word(
        code=code_of(answer),
        state=legible(str(answer.get("state", "")))[:64],
        reason=_text(reason),
    )


def read_info(answer: Mapping[str, Any]) -> Details | None:
    """Read an answer to `info`."""
    document = answer.get("info_document")
    activity = document.get("ComputingActivity") if isinstance(document, dict) else None
    if code_of(answer) != "200" or not isinstance(activity, dict):
        return None
    ends = [_moment(activity.get(key)) for key in ("ComputingManagerEndTime", "EndTime")]
    return Details(
        name=_text(activity.get("Name")),
        states=tuple(str(state) for state in as_list(activity, "State")),
        exit_code=_text(activity.get("ExitCode")),
        error=_errors(activity),
        started_at=_moment(activity.get("StartTime")),
        ended_at=next((end for end in ends if end), None),
        node=_text(" ".join(map(str, as_list(activity, "ExecutionNode")))),
    )


def read_diagnosis(diagnosis: str | None, failure: str | None) -> Details:
    """Read what A-REX keeps of a job's end, where its information on the job is missing."""
    told = dict(line.split("=", 1) for line in (diagnosis or "").splitlines() if "=" in line)
    return Details(
        exit_code=told.get("exitcode"),
        error=_text(failure),
        started_at=_moment(told.get("LRMSStartTime")),
        ended_at=_moment(told.get("LRMSEndTime")),
        node=_text(told.get("nodename")),
    )


def read_description(description: str | None) -> str | None:
    """Find the name of a job in its description."""
    found = _NAME.search(description or "")
    return found[1] if found else None


def _errors(activity: Mapping[str, Any]) -> str | None:
    told = [str(one) for one in as_list(activity, "Error") if isinstance(one, str)]
    return _text("; ".join(told))


def _text(told: Any) -> str | None:
    if not isinstance(told, str | int | float):
        return None
    return legible(str(told).strip())[:_LONGEST] or None


def _moment(told: Any) -> datetime | None:
    """Read a moment of either notation; one without a zone is of UTC."""
    for form in ("%Y-%m-%dT%H:%M:%SZ", "%Y%m%d%H%M%SZ", "%Y-%m-%d %H:%M:%S"):
        with suppress(ValueError):
            return datetime.strptime(str(told), form).replace(tzinfo=UTC)
    return None
