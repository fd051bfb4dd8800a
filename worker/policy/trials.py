"""How the trial of a CE goes on: halted by refusals, widened by what the CE accepts.

Without it, a VO whose pilots a CE refuses would fill the free slots again at each tick, and all
these pilots would fail.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from worker.domain.lines import short_line
from worker.domain.pilot import Cause, Move, Status
from worker.domain.trial import Trial

SOONEST = timedelta(minutes=1)
LATEST = timedelta(minutes=15)

ENOUGH = 1000
"""A CE that may get so many pilots at once is not on trial any more."""

OF_THE_VO = frozenset({Cause.QUOTA, Cause.CREDENTIAL})
"""The causes of refusals that are no fault of the CE."""


class Attempt(NamedTuple):
    """What a CE did with the pilots of one VO in one submission."""

    accepted: int
    refused: int
    reason: str = ""


def attempts(moves: Iterable[Move], vo_of: Mapping[int, str]) -> dict[str, Attempt]:
    """Count for each VO how many of its pilots were accepted, and how many refused."""
    counts: dict[str, Attempt] = {}
    for move in moves:
        vo = vo_of[move.pilot_id]
        before = counts.setdefault(vo, Attempt(0, 0))
        if move.to is Status.SUBMITTED:
            counts[vo] = before._replace(accepted=before.accepted + 1)
        elif move.cause in OF_THE_VO:
            reason = before.reason or short_line(move.reason or str(move.cause))
            counts[vo] = before._replace(refused=before.refused + 1, reason=reason)
    return counts


def after(before: Trial | None, vo: str, ce: str, attempt: Attempt, now: datetime) -> Trial | None:
    """Return the trial after an attempt; `None` if the CE is not on trial.

    After a refusal it is tried with as many pilots as it accepted, or with one. Nothing accepted
    makes the wait twice as long, an attempt without a refusal makes the number twice as large.
    """
    if before is not None and not before.is_on(now):
        before = None
    if not attempt.refused:
        return _widened(before)
    failures = 0 if attempt.accepted else (before.failures if before else 0) + 1
    wait = min(SOONEST * 2 ** min(max(failures - 1, 0), 8), LATEST)
    return Trial(
        vo=vo,
        ce=ce,
        most=max(attempt.accepted, 1),
        failures=failures,
        retry_at=now + wait,
        refused_at=now,
        reason=attempt.reason,
    )


def _widened(before: Trial | None) -> Trial | None:
    if before is None or before.most * 2 >= ENOUGH:
        return None
    return replace(before, most=before.most * 2, failures=0, retry_at=before.refused_at)
