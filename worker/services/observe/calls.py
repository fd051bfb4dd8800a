"""Outcomes and durations of the recent calls to a CE, for `ce calls`."""

from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from worker.db import call_tallies
from worker.domain.access import Role
from worker.domain.call_tally import CallKind, CallOutcome, CallTally, quantile_bound
from worker.services.allowed import allowed_to
from worker.services.runtime import Runtime


@dataclass(frozen=True, kw_only=True)
class CallLine:
    """The calls of one kind with the same outcome."""

    kind: CallKind
    outcome: CallOutcome
    calls: int
    mean_seconds: float
    half_within: float
    """Seconds within which half of them ended, rounded up to a bound."""
    most_within: float
    """Seconds within which nine of ten ended, rounded up to a bound."""
    last_at: datetime
    """The minute, hour or day of the last of them: the older, the less exact."""


@allowed_to(Role.READ)
def calls_of(runtime: Runtime, ce: str, since: datetime) -> list[CallLine]:
    """Sum up the calls to a CE since a moment, by kind and outcome."""
    with runtime.database.uow() as tx:
        tallies = call_tallies.of(tx, ce, since)
    ordered = sorted(tallies, key=lambda tally: (tally.kind, tally.outcome))
    return [
        _line(kind, outcome, list(of_both))
        for (kind, outcome), of_both in groupby(ordered, lambda tally: (tally.kind, tally.outcome))
    ]


def _line(kind: CallKind, outcome: CallOutcome, tallies: list[CallTally]) -> CallLine:
    number = sum(tally.calls for tally in tallies)
    return CallLine(
        kind=kind,
        outcome=outcome,
        calls=number,
        mean_seconds=sum(tally.seconds for tally in tallies) / number,
        half_within=(quantile_bound(tallies, 0.5) or 0) / 1000,
        most_within=(quantile_bound(tallies, 0.9) or 0) / 1000,
        last_at=max(tally.begins_at for tally in tallies),
    )
