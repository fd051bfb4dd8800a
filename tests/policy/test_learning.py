"""What outcomes teach about a CE: chances and pauses."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.factories import MINUTE, NOW
from tests.policy.given import END, histories
from worker.domain.sending import Sending
from worker.policy.facts import Chances
from worker.policy.learning import (
    NOTHING_WAITS,
    Evaluation,
    LearnedState,
    PauseChange,
    Queue,
    end_pause,
    evaluate,
    learn,
)
from worker.policy.outcomes import Event, EventKind
from worker.policy.parameters import DEFAULTS
from worker.policy.record import Record

LONG = 60 * MINUTE


class History:
    """The outcomes of a CE one after the other, and what is learnt from them."""

    def __init__(self, configured: float = 0.95) -> None:
        self.configured = configured
        self.now = NOW
        self.state: dict[str, Any] | None = None
        self.changes: list[PauseChange] = []

    def wait(self, minutes: float) -> "History":
        self.now += minutes * MINUTE
        return self

    def tell(
        self, kind: EventKind, number: int = 1, ran: timedelta | None = None, **queue: Any
    ) -> "History":
        """Add this number of equal outcomes, of pilots that ran for this time until now."""
        event = Event(self.now, kind, None if ran is None else self.now - ran, ran)
        self._keep(self._learn([event] * number, Queue(**queue) if queue else NOTHING_WAITS))
        return self

    def tick(self, **queue: Any) -> "History":
        self._keep(self._learn([], Queue(**{"answered_at": self.now, **queue})))
        return self

    def resume(self, reason: str) -> "History":
        self._keep(end_pause(self.state, reason, now=self.now, configured=self.configured))
        return self

    @property
    def evaluation(self) -> Evaluation:
        return evaluate(self.state, now=self.now, configured=self.configured)

    @property
    def chances(self) -> Chances:
        return self.evaluation.chances

    @property
    def reason(self) -> str | None:
        return self.evaluation.pause.reason if self.evaluation.pause else None

    def _learn(self, events: list[Event], queue: Queue) -> LearnedState:
        return learn(self.state, events, now=self.now, configured=self.configured, queue=queue)

    def _keep(self, lesson: LearnedState) -> None:
        self.state = json.loads(json.dumps(lesson.state))
        self.changes += lesson.changes


# -- chances


@pytest.mark.parametrize("configured", [0.0, 0.3, 1.0])
def test_a_ce_that_nothing_is_known_of_has_its_configured_rate(configured: float) -> None:
    chances = evaluate(None, now=NOW, configured=configured).chances
    assert chances.all == pytest.approx(configured, abs=1e-5)
    assert (chances.accept, chances.start) == (1.0, chances.finish)


@pytest.mark.parametrize("state", [{}, {"good": 4.0, "success_rate": 0.1}, {"version": 0}])
def test_a_state_of_another_version_is_nothing_learnt(state: dict[str, Any]) -> None:
    assert evaluate(state, now=NOW, configured=0.5) == evaluate(None, now=NOW, configured=0.5)


def test_each_outcome_moves_the_chance_that_it_tells_of_and_no_other() -> None:
    for kind, name, up in (
        (EventKind.REFUSED, "accept", False),
        (EventKind.STARTED, "start", True),
        (EventKind.FAILED_START, "start", False),
        (EventKind.FINISHED, "finish", True),
        (EventKind.FAILED_LATE, "finish", False),
    ):
        before = evaluate(None, now=NOW, configured=0.5).chances
        after = History(0.5).tell(kind, 2).chances
        difference = getattr(after, name) - getattr(before, name)
        assert difference > 0.1 if up else difference < -0.1
        assert replace(after, **{name: getattr(before, name)}) == before


def test_the_configured_rate_is_worth_ten_pilots_and_what_was_before_four() -> None:
    # base = 10 / (10 + 10), then (4 base + 0) / (4 + 10)
    assert History(1.0).tell(EventKind.FAILED_LATE, 10).chances.finish == pytest.approx(
        2 / 14, abs=1e-4
    )


def test_lately_fades_in_half_an_hour_and_before_in_a_day() -> None:
    history = History(1.0).tell(EventKind.FAILED_LATE, 8)
    base = 10 / 18
    assert history.chances.finish == pytest.approx(4 * base / 12, abs=1e-4)
    history.wait(30)
    base = 10 / (10 + 8 * 0.5 ** (0.5 / 24))
    assert history.chances.finish == pytest.approx(4 * base / (4 + 4), abs=1e-4)
    history.wait(24 * 60)
    base = 10 / (10 + 8 * 0.5 ** (24.5 / 24))
    assert history.chances.finish == pytest.approx(base, abs=1e-4)
    history.wait(24 * 60 * 60)
    assert history.chances.finish == pytest.approx(1.0)


def test_an_outcome_that_is_told_late_counts_as_what_would_be_left_of_it() -> None:
    late = Event(NOW - 30 * MINUTE, EventKind.FAILED_LATE)
    on_time = learn(None, [late, Event(NOW, EventKind.FINISHED)], now=NOW, configured=0.9).state
    too_late = learn(None, [Event(NOW, EventKind.FINISHED), late], now=NOW, configured=0.9).state
    assert evaluate(on_time, now=NOW, configured=0.9) == evaluate(too_late, now=NOW, configured=0.9)


# -- the fold


@given(events=histories(), cuts=st.lists(st.integers(0, 40), max_size=4))
def test_the_batches_in_which_outcomes_come_change_nothing(
    events: list[Event], cuts: list[int]
) -> None:
    whole = learn(None, events, now=END, configured=0.9)
    state: dict[str, Any] | None = None
    changes: list[PauseChange] = []
    edges = [0, *sorted(min(edge, len(events)) for edge in cuts), len(events)]
    for number, (start, end) in enumerate(pairwise(edges)):
        now = END + number * timedelta(hours=5)
        lesson = learn(state, events[start:end], now=now, configured=0.9)
        state = json.loads(json.dumps(lesson.state))
        changes += lesson.changes

    assert state == json.loads(json.dumps(whole.state))
    assert tuple(changes) == whole.changes


@given(events=histories(), configured=st.floats(0, 1))
def test_chances_are_chances_and_the_breaker_opens_and_closes_in_turn(
    events: list[Event], configured: float
) -> None:
    lesson = learn(None, events, now=NOW, configured=configured)
    chances = evaluate(lesson.state, now=NOW + LONG, configured=configured).chances
    assert all(0 <= one <= 1 for one in (chances.accept, chances.start, chances.finish))

    became = [change.became for change in lesson.changes]
    assert became == [Sending.PAUSED, Sending.NORMAL] * (len(became) // 2) + [Sending.PAUSED] * (
        len(became) % 2
    )
    open_now = evaluate(lesson.state, now=NOW, configured=configured).pause is not None
    assert open_now == (len(became) % 2 == 1)


@given(
    events=histories(),
    good=st.sampled_from([EventKind.STARTED, EventKind.FINISHED, EventKind.ACCEPTED]),
)
def test_a_good_outcome_lowers_no_chance(events: list[Event], good: EventKind) -> None:
    state = learn(None, events, now=END, configured=0.8).state
    at = events[-1].at if events else NOW
    more = learn(state, [Event(at, good)], now=END, configured=0.8).state
    before = evaluate(state, now=at, configured=0.8).chances
    after = evaluate(more, now=at, configured=0.8).chances
    for name in ("accept", "start", "finish"):
        assert getattr(after, name) >= getattr(before, name) - 1e-6


def test_a_thousand_outcomes_are_learnt_in_no_time_and_the_state_stays_small() -> None:
    history = History()
    for _ in range(300):
        history.wait(1).tell(EventKind.ACCEPTED, 20).tell(EventKind.STARTED, 20, 5 * MINUTE)
        history.tell(EventKind.FINISHED, 19, LONG).tell(EventKind.FAILED_LATE, 1, 20 * MINUTE)
    assert len(json.dumps(history.state)) < 3000


# -- runs of failed starts


@pytest.mark.parametrize(("configured", "limit"), [(0.97**2, 3), (0.36, 8), (0.09, 20)])
def test_a_run_that_luck_does_not_explain_pauses(configured: float, limit: int) -> None:
    history = History(configured).tell(EventKind.FAILED_START, ran=MINUTE)
    for _ in range(limit - 2):
        history.wait(3).tell(EventKind.FAILED_START, ran=MINUTE)
        assert history.reason is None
    history.wait(3).tell(EventKind.FAILED_START, ran=MINUTE)
    assert history.reason == f"{limit} failed starts in a row (limit {limit})"
    [change] = history.changes
    assert (change.was, change.became, change.at) == (Sending.NORMAL, Sending.PAUSED, history.now)


def test_those_that_began_together_are_waited_for_unless_they_are_too_many() -> None:
    few = History().tell(EventKind.FAILED_START, 8, MINUTE)
    assert few.reason is None
    assert few.wait(4).tell(EventKind.FAILED_START, 1, MINUTE).reason is not None
    assert History().tell(EventKind.FAILED_START, 9, MINUTE).reason is not None
    assert few.changes[0].reason == "9 failed starts in a row (limit 3)"


def test_a_survivor_ends_a_run() -> None:
    history = History()
    for _ in range(9):
        history.tell(EventKind.FAILED_START, 2, MINUTE).wait(7).tell(
            EventKind.STARTED, ran=5 * MINUTE
        )
    assert history.reason is None


def test_one_that_began_before_the_trouble_says_nothing_of_it() -> None:
    history = History().tell(EventKind.FAILED_START, 2, MINUTE)
    history.wait(3.5).tell(EventKind.STARTED, 20, 5 * MINUTE)
    history.wait(2).tell(EventKind.FAILED_START, 1, MINUTE)
    assert history.reason == "3 failed starts in a row (limit 3)"
    history.wait(0.1).tell(EventKind.STARTED, 20, 8 * MINUTE)
    assert history.reason is not None


def test_the_first_survivor_reopens_and_old_failures_keep_a_quarter() -> None:
    history = History().tell(EventKind.FAILED_START, 12, MINUTE)
    low = history.chances.start
    history.wait(30)
    later = history.chances.start
    history.wait(6).tell(EventKind.STARTED, 1, 5 * MINUTE)
    assert history.reason is None
    assert history.changes[-1].reason == "a pilot survived"
    assert low < later < 0.4 < 0.6 < history.chances.start


def test_where_there_was_no_trouble_nothing_is_forgiven() -> None:
    alert, calm = (History(), History(0.0))
    for history in (alert, calm):
        history.tell(EventKind.FAILED_START, 9, MINUTE).wait(3)
        history.tell(EventKind.STARTED, 5, 4 * MINUTE)
    assert [change.became for change in alert.changes] == [Sending.PAUSED, Sending.NORMAL]
    assert alert.state is not None
    assert calm.state is not None
    assert alert.state["lately"] == calm.state["lately"]


# -- refusals, stuck queues


def test_refusals_in_a_row_pause_and_an_accepted_submission_reopens() -> None:
    assert (
        History()
        .tell(EventKind.REFUSED, 2)
        .tell(EventKind.ACCEPTED)
        .tell(EventKind.REFUSED, 2)
        .changes
        == []
    )
    history = History().tell(EventKind.REFUSED, 3).tell(EventKind.STARTED, ran=5 * MINUTE)
    assert history.reason == "3 refused submissions in a row (limit 3)"
    history.tell(EventKind.ACCEPTED)
    assert history.evaluation.pause is None
    assert history.changes[-1].reason == "a submission was accepted"


def test_where_refusals_are_frequent_it_takes_more_of_them() -> None:
    history = History()
    for _ in range(40):
        history.tell(EventKind.ACCEPTED).tell(EventKind.REFUSED)
    assert history.tell(EventKind.REFUSED, 7).reason is None
    assert history.tell(EventKind.REFUSED, 4).reason is not None


STUCK = {
    "long_and_nothing_began": (30, 31, True),
    "long_and_nothing_ever_began": (30, None, True),
    "not_long_enough": (29, 31, False),
    "something_began": (90, 29, False),
    "nothing_waits": (None, 90, False),
}


@pytest.mark.parametrize(("oldest", "began", "is_paused"), STUCK.values(), ids=STUCK)
def test_a_queue_that_does_not_move_pauses(
    oldest: float | None, began: float | None, is_paused: bool
) -> None:
    def ago(minutes: float | None) -> datetime | None:
        return None if minutes is None else NOW - minutes * MINUTE

    history = History().tick(oldest_waiting_since=ago(oldest), last_began=ago(began))
    assert (history.reason is not None) == is_paused
    if is_paused:
        assert history.reason == "the oldest pilot waits for 30 min"
        assert history.wait(9).tell(EventKind.STARTED, ran=5 * MINUTE).reason is None


@pytest.mark.parametrize("silent", [1, 40, None])
def test_a_queue_that_nobody_has_looked_at_is_not_stuck(silent: int | None) -> None:
    """The CE is silent, or no worker asks it: pilots may have begun since."""
    oldest = NOW - 45 * MINUTE
    answered_at = None if silent is None else NOW - silent * MINUTE
    history = History().tick(oldest_waiting_since=oldest, answered_at=answered_at)
    assert history.reason == ("the oldest pilot waits for 44 min" if silent == 1 else None)


# -- those that die late


def dying_at(minutes: float, *, every: int = 1) -> History:
    """Let a pilot begin each minute; those after two hours die, but one of `every` lives on."""
    history = History()
    for minute in range(165):
        history.wait(1)
        if minute < 150:
            history.tell(EventKind.STARTED, ran=5 * MINUTE)
        if minute > 60:
            history.tell(EventKind.FINISHED, ran=LONG)
        began = (minute + 1) - minutes
        if 120 < began < 146 and (every == 1 or minute % every):
            history.tell(EventKind.FAILED_LATE, ran=minutes * MINUTE)
    return history


@pytest.mark.parametrize(("minutes", "within"), [(5.5, 14), (7, 14), (12, 22)])
def test_a_ce_that_kills_late_is_noticed_soon(minutes: float, within: float) -> None:
    history = dying_at(minutes)
    [change] = history.changes
    assert change.reason.endswith("(limit 3)")
    assert change.at - NOW < (120 + within) * MINUTE


@pytest.mark.parametrize("every", [2, 3])
def test_one_that_lets_some_live_is_left_to_the_chances(every: int) -> None:
    assert dying_at(7, every=every).changes == []


def test_it_is_open_again_when_a_pilot_outlives_those_that_died() -> None:
    history = dying_at(6).wait(20).tell(EventKind.STARTED, ran=5 * MINUTE)
    assert history.wait(3).tell(EventKind.ACCEPTED).reason is not None
    # A death may become known some minutes late: a mark counts only after the next mark.
    assert history.wait(4).tell(EventKind.ACCEPTED).reason is None
    assert history.changes[-1].reason == "a pilot ran longer than those that failed late"


def test_many_that_die_at_once_at_every_age_are_no_pilots_that_die_young() -> None:
    history = History()
    for _ in range(60):
        history.wait(1).tell(EventKind.STARTED, ran=5 * MINUTE)
    for age in range(5, 60):
        history.tell(EventKind.FAILED_LATE, ran=age * MINUTE)
    assert history.reason is None


def test_many_that_die_at_once_say_no_more_than_a_few() -> None:
    history = History()
    for _ in range(120):
        history.wait(1).tell(EventKind.STARTED, ran=5 * MINUTE)
    history.tell(EventKind.FAILED_LATE, 100, ran=10 * MINUTE)
    assert history.chances.finish > 0.75
    one_by_one = History()
    for _ in range(100):
        one_by_one.wait(1).tell(EventKind.STARTED, ran=5 * MINUTE)
        one_by_one.tell(EventKind.FAILED_LATE, ran=10 * MINUTE)
    assert one_by_one.chances.finish < 0.2


# -- lives


def test_a_pilot_that_runs_is_counted_for_what_it_has_lived() -> None:
    history = History(0.25).tell(EventKind.STARTED, 20, 5 * MINUTE)
    doubtful = history.chances.finish
    # At each event of the CE, the other pilots are known to run.
    history.wait(27.5).tell(EventKind.FAILED_START, ran=MINUTE)
    half = history.chances.finish
    history.wait(27.5).tell(EventKind.FINISHED, 20, ran=60 * MINUTE)
    assert doubtful == pytest.approx(0.5, abs=0.01)
    # base = 0.5; lived = 20 / 2, faded a little, and three quarters of it count
    assert half == pytest.approx((4 * 0.5 + 5.55) / (4 + 5.55), abs=0.02)
    assert half < history.chances.finish


def test_ends_whose_beginning_nobody_knows_are_counted_as_ends() -> None:
    history = History(0.25).tell(EventKind.FINISHED, 12).tell(EventKind.FAILED_LATE, 4)
    base = (10 * 0.5 + 12) / (10 + 16)
    assert history.chances.finish == pytest.approx((4 * base + 12) / (4 + 16), abs=1e-3)


def test_one_that_is_told_of_only_when_it_has_ended_has_lived_all_the_same() -> None:
    late, prompt = History(0.25), History(0.25)
    late.wait(60).tell(EventKind.STARTED, 9, LONG).tell(EventKind.FINISHED, 9, LONG)
    prompt.wait(5).tell(EventKind.STARTED, 9, 5 * MINUTE).wait(55).tell(EventKind.FINISHED, 9, LONG)
    assert late.chances.finish == pytest.approx(prompt.chances.finish, abs=0.08)


def test_one_that_ended_to_nobodys_credit_runs_no_longer() -> None:
    history = (
        History(0.25).tell(EventKind.STARTED, 20, 5 * MINUTE).tell(EventKind.ENDED, 20, 6 * MINUTE)
    )
    before = history.chances
    history.wait(30).tell(EventKind.ENDED, ran=LONG)
    assert history.chances.finish == pytest.approx(before.finish)


def test_one_that_was_put_back_runs_no_longer() -> None:
    history = History(0.25).tell(EventKind.STARTED, 20, 5 * MINUTE).tell(EventKind.ENDED, 20)
    before = history.chances
    history.wait(30).tell(EventKind.ENDED)
    assert history.chances.finish == pytest.approx(before.finish)


# -- a clock that was set back

YEAR = 365 * 24 * 60


def test_what_happens_after_the_clock_was_set_back_counts_and_fades() -> None:
    history = History().tell(EventKind.STARTED, 9, 5 * MINUTE).wait(-YEAR)
    before = history.chances.start
    after = history.tell(EventKind.FAILED_START, 2, MINUTE).chances.start
    assert after < before - 0.05
    assert history.wait(30).chances.start > after + 0.01


def test_running_pilots_count_on_after_the_clock_was_set_back() -> None:
    history = History(0.25).tell(EventKind.STARTED, 9, 5 * MINUTE).wait(-YEAR)
    before = history.tick().chances
    history.wait(30).tell(EventKind.ENDED, ran=LONG)
    assert history.chances.finish > before.finish + 0.1


@pytest.mark.parametrize("jump", [60, YEAR])
def test_a_pause_of_a_clock_that_was_set_back_ends_by_a_pilot_that_survives(jump: int) -> None:
    history = History().tell(EventKind.FAILED_START, 9, MINUTE).wait(-jump)
    pause = history.evaluation.pause
    assert pause is not None
    assert pause.since == history.now
    history.tick().wait(5).tell(EventKind.STARTED, 1, 5 * MINUTE)
    assert history.reason is None


def test_pilots_of_a_clock_that_was_set_back_are_not_those_of_an_hour_later() -> None:
    history = History().tell(EventKind.STARTED, 9, 5 * MINUTE).wait(-60).tick()
    assert history.state is not None
    assert history.state["cohorts"] == []


# -- by hand


def test_a_pause_is_ended_by_hand_and_one_that_is_none_is_not() -> None:
    history = History().tell(EventKind.REFUSED, 3).resume("repaired")
    assert history.reason is None
    assert [change.reason for change in history.changes[1:]] == ["repaired"]
    assert History().resume("repaired").changes == []


@given(events=histories())
def test_what_is_stored_says_as_much_as_the_whole_record(events: list[Event]) -> None:
    now = NOW + 7 * MINUTE
    lesson = learn(None, events, now=NOW, configured=0.9)
    state = json.loads(json.dumps(lesson.state))
    before = json.dumps(state)
    record = Record(state, 0.9, DEFAULTS)
    evaluation = evaluate(state, now=now, configured=0.9)

    assert evaluation.chances == record._counts.chances(now.timestamp())
    assert (evaluation.pause is None) is (record.pause is None)
    assert json.dumps(state) == before
