"""Reading of ClassAds of jobs, written as JSON, their meaning, and expressions for job ids."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import groupby, islice
from operator import itemgetter
from typing import Any

from worker.backends import json_text
from worker.backends.htcondor.states import (
    ALIVE,
    COMPLETED,
    HELD,
    REMOVED,
    RUNNING,
    WORDS,
    Hold,
    hold_of,
)
from worker.backends.ranges import ranges
from worker.domain import exits
from worker.domain.ce_answers import Observed
from worker.domain.errors import Unreadable
from worker.domain.pilot import Cause, Status
from worker.domain.texts import one_line

Ad = Mapping[str, Any]

ATTRIBUTES = (
    "ClusterId", "ProcId", "PilotageStamp", "PilotageVO", "JobStatus", "LastJobStatus",
    "EnteredCurrentStatus", "NumJobStarts", "JobStartDate", "JobCurrentStartDate",
    "JobCurrentStartExecutingDate", "CompletionDate", "ExitBySignal", "ExitCode", "ExitSignal",
    "HoldReason", "HoldReasonCode", "HoldReasonSubCode", "LastHoldReason", "LastHoldReasonCode",
    "LastHoldReasonSubCode", "RemoteHost", "LastRemoteHost", "RemoveReason", "ServerTime",
)  # fmt: skip
"""The attributes that are queried of each job."""

CANCELLED = "pilotage: cancelled"
GIVEN_UP = "pilotage: given up on hold"
WALLTIME = "pilotage: its time was up"
"""The reasons that we give for a removal; HTCondor keeps them and adds the user who removed it."""

_LONGEST_REASON = 1000


def read(text: str) -> list[Ad]:
    """Read a list of ads; ads without a stamp or an id are left out."""
    try:
        ads = json_text.read(text)
    except ValueError as error:
        raise Unreadable(text[:2000], str(error)) from None
    if not isinstance(ads, list) or not all(isinstance(ad, dict) for ad in ads):
        raise Unreadable(text[:2000], "it is not a list of jobs")
    return [ad for ad in ads if _is_ours(ad)]


def handle(ad: Ad) -> str:
    """Return the id of a job."""
    return f"{ad['ClusterId']}.{ad['ProcId']}"


def live(ad: Ad) -> Observed:
    """Return the state of a job in the queue."""
    status = _number(ad, "JobStatus")
    if status == COMPLETED and "ExitCode" not in ad and "ExitSignal" not in ad:
        # The job is over; how it ended is in the history later.
        return _observed(ad, status=Status.RUNNING, raw=WORDS[COMPLETED])
    if status == COMPLETED:
        return _completed(ad)
    if status == REMOVED:
        # A removed job stays in the queue, and keeps its slot, until its processes are gone.
        ran = ad.get("LastJobStatus") == RUNNING
        return _observed(ad, status=Status.RUNNING if ran else Status.SUBMITTED, raw="Removed")
    if status == HELD:
        return _held(ad)
    if status is not None and status in ALIVE:
        return _observed(ad, status=ALIVE[status], raw=_word(ad, status))
    return _observed(ad, status=None, raw=one_line(f"JobStatus {ad.get('JobStatus')}", 100))


def ended(ad: Ad) -> Observed:
    """Return how a job in the history ended."""
    status = _number(ad, "JobStatus")
    if status == COMPLETED or (status == REMOVED and ad.get("LastJobStatus") == COMPLETED):
        return _completed(ad)
    if status == REMOVED:
        return _removed(ad)
    return live(ad)


def is_given_up(ad: Ad, now: datetime, patience: float) -> bool:
    """Return whether a job is on hold and is given up: its release is not awaited any longer."""
    if _number(ad, "JobStatus") != HELD:
        return False
    since = _number(ad, "EnteredCurrentStatus") or 0
    asked_at = _number(ad, "ServerTime") or int(now.timestamp())
    return not _hold(ad).waits or asked_at - since > patience


def _is_ours(ad: Ad) -> bool:
    whole = all(type(ad.get(name)) is int for name in ("ClusterId", "ProcId"))
    return whole and isinstance(ad.get("PilotageStamp"), str)


def _word(ad: Ad, status: int) -> str:
    again = status in ALIVE and ALIVE[status] is Status.SUBMITTED and _number(ad, "NumJobStarts")
    return f"{WORDS[status]} again" if again else WORDS[status]


def _held(ad: Ad) -> Observed:
    return _observed(
        ad, status=Status.SUBMITTED, raw=f"Held {_hold(ad).word}", reason=_text(ad, "HoldReason")
    )


def _completed(ad: Ad) -> Observed:
    ended_at = _moment(ad, "CompletionDate") or _moment(ad, "EnteredCurrentStatus")
    status, cause, code, reason = _end(ad)
    return _observed(
        ad,
        status=status,
        cause=cause,
        raw=WORDS[COMPLETED],
        reason=reason,
        exit_code=code,
        ended_at=ended_at,
    )


def _end(ad: Ad) -> tuple[Status, Cause | None, int | None, str | None]:
    code, signal = _number(ad, "ExitCode"), _number(ad, "ExitSignal")
    if ad.get("ExitBySignal") is True and signal is not None:
        code = exits.code_of(signal)
    if code is None:
        return Status.FAILED, Cause.UNKNOWN, None, "its exit code is not recorded"
    cause, reason = exits.meaning(code)
    return Status.FAILED if code else Status.DONE, cause, code, reason


def _removed(ad: Ad) -> Observed:
    why = _text(ad, "RemoveReason") or "no reason is known"
    ended_at = _moment(ad, "EnteredCurrentStatus")
    if why.startswith(GIVEN_UP):
        hold = _hold(ad, "Last")
        return _observed(
            ad,
            status=Status.FAILED,
            cause=hold.cause,
            raw=f"Removed Held {hold.word}",
            reason=_text(ad, "LastHoldReason") or f"on hold: {hold.word}",
            ended_at=ended_at,
        )
    if why.startswith(WALLTIME):
        return _observed(
            ad,
            status=Status.FAILED,
            cause=Cause.WALLTIME,
            raw=WORDS[REMOVED],
            reason=why,
            ended_at=ended_at,
        )
    return _observed(ad, status=Status.CANCELLED, raw=WORDS[REMOVED], reason=why, ended_at=ended_at)


def _hold(ad: Ad, which: str = "") -> Hold:
    codes = [_number(ad, f"{which}HoldReason{name}") for name in ("Code", "SubCode")]
    return hold_of(codes[0], codes[1])


def _observed(ad: Ad, **what: Any) -> Observed:
    vo = ad.get("PilotageVO")
    return Observed(
        stamp=ad["PilotageStamp"],
        handle=handle(ad),
        vo=vo if isinstance(vo, str) else None,
        started_at=_started_at(ad, what["status"]),
        node=_node(ad),
        **what,
    )


def _started_at(ad: Ad, status: Status | None) -> datetime | None:
    if status is Status.SUBMITTED or not _number(ad, "NumJobStarts"):
        return None
    names: Sequence[str] = ("JobCurrentStartExecutingDate", "JobCurrentStartDate", "JobStartDate")
    return next(filter(None, (_moment(ad, name) for name in names)), None)


def _node(ad: Ad) -> str | None:
    """Return the machine on which a job runs, or last ran, without the name of the slot."""
    slot = _text(ad, "RemoteHost") or _text(ad, "LastRemoteHost") or ""
    return slot.rpartition("@")[2] or None


def _number(ad: Ad, name: str) -> int | None:
    value = ad.get(name)
    return value if type(value) is int and -(2**63) <= value < 2**63 else None


def _text(ad: Ad, name: str) -> str | None:
    value = ad.get(name)
    return one_line(value, _LONGEST_REASON) if isinstance(value, str) and value else None


def _moment(ad: Ad, name: str) -> datetime | None:
    seconds = _number(ad, name)
    if seconds:
        with suppress(ValueError, OverflowError, OSError):
            return datetime.fromtimestamp(seconds, tz=UTC)
    return None


_HANDLE = re.compile(r"(\d{1,9})\.(\d{1,9})", re.ASCII)
RANGES = 400
"""The most ranges in one expression, since a word of a command line has at most 128 kB."""


def parsed(handle: str) -> tuple[int, int] | None:
    """Split an id into its two numbers; return `None` if it is not an id."""
    match = _HANDLE.fullmatch(handle)
    return (int(match[1]), int(match[2])) if match else None


def expressions(ids: Iterable[tuple[int, int]]) -> Iterator[str]:
    """Write expressions that together are true for these jobs and no others."""
    clauses = (
        _clause(cluster, *span)
        for cluster, jobs in groupby(sorted(ids), key=itemgetter(0))
        for span in ranges(number for _, number in jobs)
    )
    while some := list(islice(clauses, RANGES)):
        yield "(" + " || ".join(some) + ")"


def _clause(cluster: int, low: int, high: int) -> str:
    return f"(ClusterId == {cluster} && ProcId >= {low} && ProcId <= {high})"
