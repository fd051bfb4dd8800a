"""The reports of a pilot: how one follows another, and the use that they show."""

from datetime import timedelta

import pytest

from tests.factories import MINUTE, NOW
from worker.domain.pilot import Cause, ExitMeaning, Move, Status, Use
from worker.domain.pilot_report import PilotReport, PilotState, following
from worker.policy.use import NO_RULES, UseRules, with_report

BUSY, IDLE, ENDING = PilotState.BUSY, PilotState.IDLE, PilotState.ENDING


def test_what_is_left_out_stays() -> None:
    first = following(None, NOW, state=BUSY, payloads=2)
    second = following(first, NOW + MINUTE, reason="no more")

    assert first == PilotReport(state=BUSY, payloads=2, at=NOW)
    assert second == PilotReport(state=BUSY, payloads=2, reason="no more", at=NOW + MINUTE)


def test_idleness_lasts_from_the_first_time_to_the_last_that_it_is_said() -> None:
    first = following(None, NOW, state=IDLE)
    second = following(first, NOW + MINUTE)
    third = following(second, NOW + 3 * MINUTE, state=IDLE)
    busy = following(third, NOW + 4 * MINUTE, state=BUSY)
    again = following(busy, NOW + 5 * MINUTE, state=IDLE)

    lengths = [one.idle_for for one in (first, second, third, busy, again)]
    assert lengths == [timedelta(), MINUTE, 3 * MINUTE, timedelta(), timedelta()]


def test_a_clock_that_was_set_back_makes_no_idleness_of_the_future() -> None:
    first = following(None, NOW, state=IDLE)
    assert following(first, NOW - MINUTE, state=IDLE).idle_since == NOW - MINUTE


@pytest.mark.parametrize(
    ("state", "payloads", "use"),
    [
        (BUSY, 3, Use.USEFUL),
        (ENDING, 1, Use.USEFUL),
        (IDLE, 0, Use.EMPTY),
        (ENDING, 0, Use.EMPTY),
        (BUSY, 0, None),
        (IDLE, None, None),
        (None, None, None),
    ],
)
def test_which_use_a_pilot_speaks_of(
    state: PilotState | None, payloads: int | None, use: Use | None
) -> None:
    assert PilotReport(state=state, payloads=payloads, at=NOW).use is use


USEFUL, EMPTY = (PilotReport(state=ENDING, payloads=number, at=NOW) for number in (4, 0))
MEANINGS = UseRules(exit_codes={0: ExitMeaning.USEFUL, 77: ExitMeaning.EMPTY})


@pytest.mark.parametrize(
    ("rules", "code", "by_life", "report", "use"),
    [
        (NO_RULES, 0, Use.SHORT, None, Use.SHORT),
        (NO_RULES, 0, Use.SHORT, PilotReport(state=IDLE, at=NOW), Use.SHORT),
        (NO_RULES, 0, Use.SHORT, USEFUL, Use.USEFUL),
        (NO_RULES, 0, Use.USEFUL, EMPTY, Use.EMPTY),
        (NO_RULES, None, Use.USEFUL, EMPTY, Use.EMPTY),
        (MEANINGS, 77, Use.EMPTY, USEFUL, Use.EMPTY),
        (MEANINGS, 0, Use.USEFUL, EMPTY, Use.USEFUL),
        (MEANINGS, 1, Use.SHORT, EMPTY, Use.EMPTY),
    ],
)
def test_the_exit_code_counts_first_then_the_report_then_the_life(
    rules: UseRules, code: int | None, by_life: Use, report: PilotReport | None, use: Use
) -> None:
    move = Move(pilot_id=1, to=Status.DONE, exit_code=code, use=by_life)
    assert with_report(move, rules, report).use is use


def test_a_report_makes_no_failure_a_good_end() -> None:
    move = Move(pilot_id=1, to=Status.FAILED, exit_code=1, cause=Cause.EXIT_CODE)
    assert with_report(move, NO_RULES, USEFUL) == move
