"""The length of calls in buckets, and how a call went by its error."""

import pytest

from tests.factories import NOW
from worker.domain.call_tally import (
    BUCKETS,
    CallKind,
    CallOutcome,
    CallTally,
    bucket_of,
    outcome_of,
    quantile_bound,
)
from worker.domain.errors import (
    BackendError,
    CredentialProblem,
    NotSent,
    Refused,
    Unavailable,
    Unreadable,
)
from worker.domain.tally import Grain


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [(0.0, 10), (0.01, 10), (0.0101, 30), (1.0, 1_000), (99.0, 100_000), (1e9, BUCKETS[-1])],
)
def test_a_length_is_in_the_least_bucket_that_holds_it(seconds: float, bucket: int) -> None:
    assert bucket_of(seconds) == bucket


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Refused("quota"), CallOutcome.REFUSED),
        (Unavailable("no route"), CallOutcome.UNAVAILABLE),
        (NotSent("no program"), CallOutcome.UNAVAILABLE),
        (Unreadable("garbage"), CallOutcome.UNREADABLE),
        (CredentialProblem("expired"), CallOutcome.CREDENTIAL),
    ],
)
def test_an_error_says_how_a_call_went(error: BackendError, outcome: CallOutcome) -> None:
    assert outcome_of(error) is outcome


def test_the_bound_of_a_part_of_the_calls_is_the_least_that_holds_them() -> None:
    tallies = [a_tally(30, 6), a_tally(1_000, 3), a_tally(30_000, 1)]

    assert quantile_bound(tallies, 0.5) == 30
    assert quantile_bound(tallies, 0.9) == 1_000
    assert quantile_bound(tallies, 1) == 30_000
    assert quantile_bound([], 0.5) is None


def a_tally(bucket: int, calls: int) -> CallTally:
    return CallTally(Grain.MINUTE, NOW, CallKind.POLL, CallOutcome.ANSWERED, bucket, calls, 0.0)
