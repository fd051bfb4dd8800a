"""The cause of a pilot's failure.

The cause that the CE gives counts. If it gives none, or only an exit code or a signal, the cause is
taken from the CE's own words, or from the lines that batch systems write into the output of a pilot
that they end; then from the exit code; and last from how long the pilot ran.
"""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta

from worker.domain import exits
from worker.domain.errors import BackendError, CredentialProblem, Refused
from worker.domain.pilot import Cause

FAST = timedelta(minutes=5)
"""A pilot that failed within this time has failed fast: that counts against the CE."""

VAGUE = frozenset({Cause.UNKNOWN, Cause.EXIT_CODE, Cause.SIGNAL})
"""Causes that say how a pilot ended, but not why."""

Patterns = tuple[tuple[Cause, re.Pattern[str]], ...]


def _any_of(*words: str) -> re.Pattern[str]:
    return re.compile("|".join(words), re.IGNORECASE)


WORDS: Patterns = (
    (
        Cause.CREDENTIAL,
        _any_of(
            r"\b(proxy|credential|token|certificate|delegation)s?\b.{0,40}"
            r"\b(expired|invalid|missing|not valid|not accepted|rejected|revoked)",
            r"\bexpired (proxy|credential|token|certificate)",
        ),
    ),
    (
        Cause.OUT_OF_MEMORY,
        _any_of(
            r"\bout[ _-]?of[ _-]?memory",
            r"\boom[ _-]?kill",
            r"\bmemory (limit|usage).{0,40}\bexceed",
            r"\bexceed\w*.{0,40}\bmemory",
        ),
    ),
    (
        Cause.WALLTIME,
        _any_of(
            r"\bdue to time limit",
            r"\bwall[ _-]?(time|clock)",
            r"\btime[ _-]?limit.{0,20}\b(reached|exceed|expired)",
            r"\bexceed\w*.{0,40}\b(time limit|run ?time|duration)",
            r"^timeout\b",
        ),
    ),
    (Cause.PREEMPTED, _any_of(r"\bpre-?empt", r"\bevicted\b")),
    (
        Cause.NODE,
        _any_of(
            r"\b(node|boot)[ _-]?fail",
            r"\bnode\b.{0,40}\b(down|lost|unreachable|died|not responding)\b",
            r"\blost (contact|connection)\b.{0,40}\b(node|host|starter|startd|execut)",
        ),
    ),
    (Cause.HELD, _any_of(r"\bwas (put )?on hold\b", r"\bjob (was )?held\b")),
    (
        Cause.REMOVED,
        _any_of(
            r"\b(removed|deleted|killed|cancell?ed) by\b.{0,40}\b(admin|operator|user|uid|root)"
        ),
    ),
)
"""The causes that the CE's own words show; the first pattern that matches decides."""

LINES: Patterns = (
    (Cause.OUT_OF_MEMORY, _any_of(r"^slurmstepd: error: .*(oom[ _-]?kill|out of memory)")),
    (Cause.WALLTIME, _any_of(r"^slurmstepd: error: .* DUE TO TIME LIMIT")),
    (Cause.PREEMPTED, _any_of(r"^slurmstepd: error: .* DUE TO PREEMPTION")),
    (Cause.NODE, _any_of(r"^slurmstepd: error: .* DUE TO NODE FAILURE")),
    (Cause.WALLTIME, _any_of(r"^=>> PBS: job killed: (wall|cpu)time ")),
    (Cause.OUT_OF_MEMORY, _any_of(r"^=>> PBS: job killed: v?mem ")),
)
"""The lines that batch systems write into the output of a job that they end. Lines that the job
itself writes are no evidence: it may write anything."""


def cause_of(
    ce_cause: Cause | None,
    started_at: datetime | None,
    ended_at: datetime,
    *,
    exit_code: int | None = None,
    words: Iterable[str | None] = (),
) -> Cause:
    """Return why a pilot failed: the cause that the CE gave, or what its words and output show."""
    if ce_cause is not None and ce_cause not in VAGUE:
        return ce_cause
    named = _first(WORDS, (word for word in words if word))
    if named is not None:
        return named
    if ce_cause in (Cause.EXIT_CODE, Cause.SIGNAL):
        return ce_cause
    by_code, _ = exits.meaning(exit_code)
    if by_code is not None:
        return by_code
    if started_at is None:
        return Cause.NEVER_STARTED
    return Cause.FAILED_FAST if ended_at - started_at < FAST else Cause.FAILED_LATE


def cause_of_refusal(error: BackendError) -> Cause | None:
    """Return why a CE refused a submission, or `None` if its error is no refusal."""
    if isinstance(error, CredentialProblem):
        return Cause.CREDENTIAL
    if isinstance(error, Refused):
        return Cause(error.cause) if error.cause in set(Cause) else Cause.REFUSED
    return None


def refined(cause: Cause, ce_cause: Cause | None, written: str) -> Cause:
    """Return a better cause of a failure, if the end of the pilot's output names one.

    A cause that the CE gave, or that its words name, stays as it is.
    """
    if (ce_cause is not None and ce_cause not in VAGUE) or cause not in VAGUE | _BY_TIME:
        return cause
    return _first(LINES, written.splitlines()[-200:]) or cause


_BY_TIME = frozenset({Cause.NEVER_STARTED, Cause.FAILED_FAST, Cause.FAILED_LATE})


def _first(patterns: Patterns, texts: Iterable[str]) -> Cause | None:
    """Return the first cause whose pattern matches one of the texts."""
    beginnings = [text[:2000] for text in texts]
    for cause, pattern in patterns:
        if any(pattern.search(text) for text in beginnings):
            return cause
    return None
