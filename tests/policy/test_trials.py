"""How a CE is tried again after it refused pilots of a VO."""

from datetime import datetime, timedelta

import pytest

from tests.factories import MINUTE, NOW
from worker.domain.pilot import Cause, Move, Status
from worker.domain.trial import FORGOTTEN, Trial
from worker.policy.trials import ENOUGH, Attempt, after, attempts

ALL_REFUSED = Attempt(accepted=0, refused=50, reason="no room")
IN_PART = Attempt(accepted=7, refused=43, reason="no room")
ALL_ACCEPTED = Attempt(accepted=3, refused=0)


def next_of(
    before: Trial | None, attempt: Attempt, now: datetime = NOW
) -> tuple[int, timedelta] | None:
    """Return how many pilots may be tried after an attempt, and after which wait."""
    trial = after(before, "lhcb", "lyon", attempt, now)
    return None if trial is None else (trial.most, trial.retry_at - now)


def trial(**values: object) -> Trial:
    defaults = {"vo": "lhcb", "ce": "lyon", "most": 1, "failures": 1, "reason": "no room"}
    moments = {"retry_at": NOW + MINUTE, "refused_at": NOW}
    return Trial(**{**defaults, **moments, **values})  # type: ignore[arg-type]


def test_a_ce_that_refuses_nothing_is_not_on_trial() -> None:
    assert next_of(None, ALL_ACCEPTED) is None


def test_after_a_refusal_it_is_tried_with_as_many_as_it_accepted_or_with_one() -> None:
    assert next_of(None, ALL_REFUSED) == (1, MINUTE)
    assert next_of(None, IN_PART) == (7, MINUTE)


def test_the_wait_doubles_while_nothing_is_accepted_up_to_a_quarter_of_an_hour() -> None:
    waits, before = [], None
    for _ in range(7):
        before = after(before, "lhcb", "lyon", ALL_REFUSED, NOW)
        assert before is not None
        assert before.is_refused
        waits.append((before.retry_at - NOW) / MINUTE)
    assert waits == [1, 2, 4, 8, 15, 15, 15]
    assert next_of(before, IN_PART) == (7, MINUTE)


def test_an_attempt_without_a_refusal_doubles_the_number_until_it_is_enough() -> None:
    before: Trial | None = trial(most=3)
    numbers = []
    while before is not None:
        numbers.append(before.most)
        before = after(before, "lhcb", "lyon", ALL_ACCEPTED, NOW)
        assert before is None or not before.is_refused
    assert numbers[:3] == [3, 6, 12]
    assert numbers[-1] < ENOUGH <= 2 * numbers[-1]


def test_a_refusal_that_is_recorded_during_a_tick_counts_for_it() -> None:
    assert trial().is_on(NOW - timedelta(seconds=1))


@pytest.mark.parametrize("moment", [NOW + FORGOTTEN, NOW - 2 * MINUTE])
def test_an_old_refusal_and_one_of_a_wrong_clock_are_forgotten(moment: datetime) -> None:
    assert not trial(failures=5).is_on(moment)
    assert next_of(trial(failures=5), ALL_REFUSED, moment) == (1, MINUTE)
    assert next_of(trial(failures=5), ALL_ACCEPTED, moment) is None


def test_only_refusals_that_are_no_fault_of_the_ce_count_each_for_its_vo() -> None:
    moves = [
        Move(pilot_id=1, was=Status.SUBMITTING, to=Status.SUBMITTED),
        _refused(2, Cause.QUOTA, "no room"),
        _refused(3, Cause.CREDENTIAL, None),
        _refused(4, Cause.REFUSED, "bad partition"),
        Move(pilot_id=5, was=Status.SUBMITTING, to=Status.LOST),
    ]
    vo_of = {1: "atlas", 2: "atlas", 3: "lhcb", 4: "cms", 5: "cms"}
    assert attempts(moves, vo_of) == {
        "atlas": Attempt(1, 1, "no room"),
        "lhcb": Attempt(0, 1, "credential"),
        "cms": Attempt(0, 0),
    }


def _refused(pilot_id: int, cause: Cause, reason: str | None) -> Move:
    return Move(
        pilot_id=pilot_id, was=Status.SUBMITTING, to=Status.FAILED, cause=cause, reason=reason
    )
