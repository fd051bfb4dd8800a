"""Reading A-REX's answers about jobs, and the status that follows from them. No requests here.

A-REX calls every job in its batch system RUNNING until it has gathered its own information on the
job, a minute or so later; only this information distinguishes a queued job from a running one. So
a job counts as running if the information says so, or if A-REX has called it RUNNING for long
without such information.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from worker.backends.arc import states
from worker.backends.arc.client import as_list
from worker.backends.arc.memory import JobRecord
from worker.domain.ce_answers import Observed
from worker.domain.pilot import Status
from worker.domain.texts import legible

_NAME = re.compile(r"<(?:\w+:)?Name>([^<]{1,200})</(?:\w+:)?Name>")
_CONFIRMS = re.compile(r"nordugrid:INLRMS:R\b")
# A-REX's own state is not used here: it is in a document that was not gathered, too.
_TERMINAL = "emies:terminal"
_LONGEST = 2000


class Word(NamedTuple):
    """A-REX's answer to a query of a job's state, in its own word."""

    code: str
    state: str
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Details:
    """The CE's information on a job, gathered at intervals; it may be old or incomplete."""

    name: str | None = None
    states: tuple[str, ...] = ()
    exit_code: str | None = None
    error: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    node: str | None = None

    @property
    def runs(self) -> bool:
        """Whether the information says that the batch system runs the job, not only has it."""
        return any(_CONFIRMS.match(state) for state in self.states)

    @property
    def is_over(self) -> bool:
        """Whether the information was gathered after the end of the job."""
        return _TERMINAL in self.states


def code_of(answer: Mapping[str, Any]) -> str:
    """Return the status code about one job; the code of the whole reply says nothing about it."""
    return str(answer.get("status-code", ""))


def read_word(answer: Mapping[str, Any]) -> Word:
    """Read the answer about one job to the action `status`."""
    reason = answer.get("reason")
    return Word(
        code=code_of(answer),
        state=legible(str(answer.get("state", "")))[:64],
        reason=_text(reason),
    )


def read_info(answer: Mapping[str, Any]) -> Details | None:
    """Read the answer about one job to the action `info`; `None` if it has no information."""
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
    """Read A-REX's notes on a job's end; they serve if its information is missing or too old."""
    values = dict(line.split("=", 1) for line in (diagnosis or "").splitlines() if "=" in line)
    return Details(
        exit_code=values.get("exitcode"),
        error=_text(failure),
        started_at=_moment(values.get("LRMSStartTime")),
        ended_at=_moment(values.get("LRMSEndTime")),
        node=_text(values.get("nodename")),
    )


def read_description(description: str | None) -> str | None:
    """Read the name of a job from its description."""
    name = _NAME.search(description or "")
    return name[1] if name else None


def _errors(activity: Mapping[str, Any]) -> str | None:
    errors = [error for error in as_list(activity, "Error") if isinstance(error, str)]
    return _text("; ".join(errors))


def _text(value: Any) -> str | None:
    if not isinstance(value, str | int | float):
        return None
    return legible(str(value).strip())[:_LONGEST] or None


def _moment(value: Any) -> datetime | None:
    """Read a time in any of A-REX's notations, all in UTC; `None` if it is not one."""
    for form in ("%Y-%m-%dT%H:%M:%SZ", "%Y%m%d%H%M%SZ", "%Y-%m-%d %H:%M:%S"):
        with suppress(ValueError):
            return datetime.strptime(str(value), form).replace(tzinfo=UTC)
    return None


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Decides the status of the jobs in one answer."""

    now: datetime
    delay: timedelta
    words: Mapping[str, Word]
    records: Mapping[str, JobRecord]
    owner: str

    def wants_details(self, job: str) -> bool:
        """Return whether the CE's information on a job is needed to decide its status."""
        word = self.words[job]
        if word.code != "200":
            return False
        if word.state == states.RUNNING:
            return not self._has_started(job)
        return word.state in states.ENDS

    def is_hidden(self, job: str) -> bool:
        """Return whether another identity sent a job: the CE shows it only to that identity."""
        record = self.records.get(job)
        return record is not None and record.owner != self.owner

    def observed(self, stamp: str, job: str, details: Details | None) -> Observed | None:
        """Return the status of a job; `None` if the answer says nothing about it."""
        word = self.words.get(job)
        if word is None:
            return None
        raw = word.state or None
        if word.code == "200" and word.state not in states.GONE | states.ENDS:
            status = self._status(job, word, details)
            node = details.node if details and status is Status.RUNNING else None
            return Observed(stamp=stamp, handle=job, raw=raw, status=status, node=node)
        plain = Observed(stamp=stamp, handle=job, raw=raw, reason=word.reason)
        if word.code == "404" or (word.code == "200" and word.state in states.GONE):
            return None if self.is_hidden(job) else plain._replace(absent=True)
        return _ended(plain, word.state, details or Details()) if word.code == "200" else None

    def learnt(self, observed: Observed, details: Details | None) -> JobRecord | None:
        """Return the record to store about a job after an answer; `None` if nothing is new."""
        job, raw = observed.handle, observed.raw
        before = self.records.get(job) or JobRecord(job=job, stamp=observed.stamp, owner=self.owner)
        after = before
        if raw == states.RUNNING and before.running_at is None:
            after = after._replace(running_at=self.now)
        if observed.status is Status.RUNNING and before.started_at is None:
            begun = details.started_at if details else None
            after = after._replace(started_at=begun or self.now)
        if raw in states.ENDS and before.ended_at is None:
            after = after._replace(ended_at=self.now)
        return None if after is self.records.get(job) else after

    def _status(self, job: str, word: Word, details: Details | None) -> Status | None:
        if word.state == states.KILLING:
            return Status.RUNNING if self._has_started(job) else Status.SUBMITTED
        if word.state != states.RUNNING or self._has_started(job):
            return states.STATES.get(word.state)
        if details is not None and details.runs:
            return Status.RUNNING
        record = self.records.get(job)
        since = record.running_at if record and record.running_at else self.now
        return Status.RUNNING if self.now - since >= self.delay else Status.SUBMITTED

    def _has_started(self, job: str) -> bool:
        record = self.records.get(job)
        return record is not None and record.started_at is not None


def _ended(plain: Observed, state: str, details: Details) -> Observed:
    code = states.exit_code_of(details.exit_code, details.error)
    status, cause = states.STATES[state], None
    if states.is_cancellation(details.error):
        status = Status.CANCELLED
    elif status is Status.FAILED or (status is Status.DONE and code):
        status, cause = Status.FAILED, states.cause_of(details.error, code)
    return plain._replace(
        status=status,
        cause=cause,
        reason=details.error,
        exit_code=None if status is Status.CANCELLED else code,
        started_at=details.started_at,
        ended_at=details.ended_at,
        node=details.node,
    )
