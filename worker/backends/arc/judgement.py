"""What is to be said of a job, from A-REX's word, its information, and what was learnt before.

A-REX calls every job that its batch system has RUNNING until its own information on the job is
gathered, a minute or so later; only that tells a queued job from a running one. So a job runs
when the information says so, or when it has been called RUNNING for long without any.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from worker.backends.arc import states
from worker.backends.arc.book import Known
from worker.backends.arc.details import Details, Word
from worker.domain.ce_answers import Observed
from worker.domain.pilot import Status


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Judges the jobs of one answer."""

    now: datetime
    delay: timedelta
    words: Mapping[str, Word]
    known: Mapping[str, Known]
    owner: str

    def wants_details(self, job: str) -> bool:
        """Tell whether the CE's information on a job is needed for a judgement."""
        word = self.words[job]
        if word.code != "200":
            return False
        if word.state == states.RUNNING:
            return not self._has_started(job)
        return word.state in states.ENDS

    def is_hidden(self, job: str) -> bool:
        """Tell whether an unknown job was sent by another identity, which alone would see it."""
        known = self.known.get(job)
        return known is not None and known.owner != self.owner

    def observed(self, stamp: str, job: str, details: Details | None) -> Observed | None:
        """Say what a job is; `None` where the answer says nothing of it."""
        word = self.words.get(job)
        if word is None:
            return None
        raw = word.state or None
        if word.code == "200" and word.state not in states.GONE | states.ENDS:
            status = self._status(job, word, details)
            node = details.node if details and status is Status.RUNNING else None
            return Observed(stamp=stamp, handle=job, raw=raw, status=status, node=node)
        seen = Observed(stamp=stamp, handle=job, raw=raw, reason=word.reason)
        if word.code == "404" or (word.code == "200" and word.state in states.GONE):
            return None if self.is_hidden(job) else seen._replace(absent=True)
        return _ended(seen, word.state, details or Details()) if word.code == "200" else None

    def learnt(self, observed: Observed, details: Details | None) -> Known | None:
        """Tell what is to be remembered of a job that was judged; `None` if nothing is new."""
        job, raw = observed.handle, observed.raw
        before = self.known.get(job) or Known(job=job, stamp=observed.stamp, owner=self.owner)
        after = before
        if raw == states.RUNNING and before.running_at is None:
            after = after._replace(running_at=self.now)
        if observed.status is Status.RUNNING and before.started_at is None:
            begun = details.started_at if details else None
            after = after._replace(started_at=begun or self.now)
        if raw in states.ENDS and before.ended_at is None:
            after = after._replace(ended_at=self.now)
        return None if after is self.known.get(job) else after

    def _status(self, job: str, word: Word, details: Details | None) -> Status | None:
        if word.state == states.KILLING:
            return Status.RUNNING if self._has_started(job) else Status.SUBMITTED
        if word.state != states.RUNNING or self._has_started(job):
            return states.STATES.get(word.state)
        if details is not None and details.runs:
            return Status.RUNNING
        known = self.known.get(job)
        since = known.running_at if known and known.running_at else self.now
        return Status.RUNNING if self.now - since >= self.delay else Status.SUBMITTED

    def _has_started(self, job: str) -> bool:
        known = self.known.get(job)
        return known is not None and known.started_at is not None


def _ended(seen: Observed, state: str, details: Details) -> Observed:
    code = states.exit_code_of(details.exit_code, details.error)
    status, cause = states.STATES[state], None
    if states.is_cancellation(details.error):
        status = Status.CANCELLED
    elif status is Status.FAILED or (status is Status.DONE and code):
        status, cause = Status.FAILED, states.cause_of(details.error, code)
    return seen._replace(
        status=status,
        cause=cause,
        reason=details.error,
        exit_code=None if status is Status.CANCELLED else code,
        started_at=details.started_at,
        ended_at=details.ended_at,
        node=details.node,
    )
