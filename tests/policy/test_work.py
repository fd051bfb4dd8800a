"""The reason why pilots do nothing: a bad CE, or a VO without work."""

from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.factories import MINUTE, NOW
from worker.domain.pilot import Use
from worker.policy.learning import Hole, learn
from worker.policy.outcomes import Event, EventKind
from worker.policy.parameters import DEFAULTS, Parameters
from worker.policy.work import (
    Cohort,
    NoWork,
    Usual,
    Verdicts,
    counted,
    demand_without,
    judge,
    merged,
)

KNOWN = 10
"""Minutes after which the good pilots of a minute are known."""


def began(minutes_ago: float) -> datetime:
    return NOW.replace(second=0, microsecond=0) - minutes_ago * MINUTE


def at(
    ce: str, minutes_ago: float, *, vo: str = "atlas", useful: int = 0, short: int = 0,
    empty: int = 0, served: int | None = None,
) -> Cohort:  # fmt: skip
    number = useful if served is None else served
    return Cohort(vo, ce, began(minutes_ago), useful, short, empty, number)


def verdicts_on(*cohorts: Cohort) -> Verdicts:
    return judge(cohorts, NOW)


def test_a_ce_whose_pilots_are_short_while_others_are_useful_swallows_them() -> None:
    verdicts = verdicts_on(at("lyon", KNOWN, short=9), at("bari", KNOWN, useful=4))
    assert verdicts.without_work == {}
    assert verdicts.holes["lyon"].since == began(KNOWN)
    assert verdicts.holes["lyon"].reason == (
        "9 pilots of VO atlas in a row ended for nothing; at other CEs 4 of 4 were of use"
    )


def test_a_vo_whose_pilots_do_nothing_anywhere_has_no_work_and_no_ce_is_to_blame() -> None:
    verdicts = verdicts_on(
        at("lyon", 30, useful=20),
        at("lyon", KNOWN, short=5),
        at("bari", KNOWN, short=4, empty=1),
    )
    assert verdicts.holes == {}
    assert verdicts.without_work == {
        "atlas": NoWork(
            reason="its last 10 pilots in a row found no work, at 2 CEs", since=began(KNOWN)
        )
    }


def test_one_that_finds_work_is_enough_for_a_vo_to_have_some() -> None:
    shorts = [at(ce, KNOWN, short=8) for ce in ("lyon", "bari")]
    assert verdicts_on(*shorts).without_work
    assert not verdicts_on(*shorts, at("bari", KNOWN - 4, useful=1)).without_work


def test_what_pilots_say_of_work_blames_no_ce() -> None:
    verdicts = verdicts_on(at("lyon", KNOWN, empty=50), at("bari", KNOWN, useful=20))
    assert verdicts == Verdicts(holes={}, without_work={})


def test_good_pilots_of_the_same_minute_are_waited_for() -> None:
    cohorts = [at("lyon", 5, short=50), at("bari", 5, short=50)]
    assert verdicts_on(*cohorts) == Verdicts(holes={}, without_work={})


def test_where_a_vo_had_no_work_before_a_pilot_elsewhere_found_some_no_ce_is_to_blame() -> None:
    # Its last job was taken at bari, a moment after those at lyon found none.
    verdicts = verdicts_on(
        at("lyon", KNOWN, short=6),
        at("bari", KNOWN, short=7, useful=1),
        at("bari", KNOWN - 1, useful=1),
    )
    assert verdicts.holes == {}


def test_a_vo_that_had_use_of_a_ce_shows_that_the_ce_swallows_nobody() -> None:
    hole = at("lyon", KNOWN, short=30), at("bari", KNOWN, useful=9)
    assert verdicts_on(*hole).holes
    assert not verdicts_on(*hole, at("lyon", KNOWN, vo="cms", useful=1)).holes
    assert verdicts_on(*hole, at("lyon", KNOWN + 9, vo="cms", useful=1)).holes


def test_in_the_minute_in_which_a_ce_breaks_another_may_have_had_use_of_it_before() -> None:
    hole = [at("lyon", KNOWN + ago, short=9) for ago in (0, 1, 2)]
    hole.append(at("bari", KNOWN, useful=9))
    assert verdicts_on(*hole, at("lyon", KNOWN + 2, vo="cms", useful=1)).holes
    assert not verdicts_on(*hole, at("lyon", KNOWN + 1, vo="cms", useful=1)).holes


def test_a_vo_without_work_says_nothing_of_the_ces_of_another() -> None:
    verdicts = verdicts_on(
        *(at(ce, KNOWN, vo="cms", short=9) for ce in ("lyon", "bari")),
        *(at(ce, KNOWN, useful=9) for ce in ("lyon", "bari")),
    )
    assert verdicts.holes == {}
    assert verdicts.without_work.keys() == {"cms"}


def test_where_many_are_short_by_nature_more_of_them_in_a_row_are_luck() -> None:
    usually_short = at("bari", KNOWN, useful=10, short=10)
    assert not verdicts_on(at("lyon", KNOWN, short=7), usually_short).holes
    assert verdicts_on(at("lyon", KNOWN, short=20), usually_short).holes


def test_a_useful_pilot_ends_a_row_and_what_is_old_counts_no_longer() -> None:
    others = at("bari", KNOWN, useful=9)
    assert not verdicts_on(
        at("lyon", KNOWN + 5, short=9), at("lyon", KNOWN, useful=1), others
    ).holes
    assert not verdicts_on(at("lyon", 61, short=9), others).holes


def test_what_began_by_a_clock_that_was_set_back_since_counts_for_nothing() -> None:
    hole = at("lyon", KNOWN, short=9), at("bari", KNOWN, useful=9)
    next_year = [at(ce, -500_000, useful=9, vo=vo) for ce in ("lyon",) for vo in ("atlas", "cms")]
    assert verdicts_on(*hole, *next_year) == verdicts_on(*hole)
    assert verdicts_on(*hole).holes


def test_a_vo_of_one_ce_cannot_tell_and_so_no_ce_is_paused() -> None:
    verdicts = verdicts_on(at("lyon", 40, useful=30), at("lyon", KNOWN, short=9))
    assert verdicts.holes == {}
    assert "atlas" in verdicts.without_work


def test_too_few_show_nothing() -> None:
    assert verdicts_on() == verdicts_on(at("lyon", KNOWN, short=4), at("bari", KNOWN, useful=9))


def test_the_parameters_say_how_many_are_enough() -> None:
    cohorts = at("lyon", KNOWN, short=9), at("bari", KNOWN, useful=9)
    assert not judge(cohorts, NOW, Parameters(least_short=10)).holes


COHORTS = st.lists(
    st.builds(
        Cohort,
        vo=st.sampled_from(["atlas", "cms"]),
        ce=st.sampled_from(["lyon", "bari", "paris"]),
        minute=st.integers(-5, 90).map(began),
        useful=st.integers(-1, 9),
        short=st.integers(0, 40),
        empty=st.integers(0, 40),
        served=st.integers(0, 9),
    ),
    max_size=30,
)


@given(COHORTS)
def test_whatever_the_pilots_of_one_vo_report_the_work_of_another_stays_as_it_is(
    cohorts: list[Cohort],
) -> None:
    own = [one for one in cohorts if one.vo == "atlas"]
    alone, beside = judge(own, NOW), judge(cohorts, NOW)
    assert alone.without_work.get("atlas") == beside.without_work.get("atlas")


def test_what_pilots_only_say_clears_no_ce_and_blames_none() -> None:
    swallows = at("lyon", KNOWN, short=9), at("bari", KNOWN, useful=4)
    boasts = at("lyon", KNOWN - 2, vo="cms", useful=50, served=0)
    assert "lyon" in verdicts_on(*swallows, boasts).holes
    assert "lyon" not in verdicts_on(*swallows, boasts._replace(served=1)).holes
    assert verdicts_on(swallows[0], at("bari", KNOWN, useful=4, served=0)).holes == {}


@given(COHORTS, st.lists(st.tuples(*[st.integers(0, 99)] * 3), min_size=30, max_size=30))
def test_whatever_the_pilots_of_one_vo_say_changes_no_verdict_on_a_ce_by_another(
    cohorts: list[Cohort], words: list[tuple[int, int, int]]
) -> None:
    """One VO says anything; the verdicts from the pilots of the other stay the same."""
    lying = [
        one._replace(useful=word[0], short=word[1], empty=word[2]) if one.vo == "cms" else one
        for one, word in zip(cohorts, words, strict=False)
    ]
    honest, lied_to = judge(cohorts, NOW), judge(lying, NOW)
    assert _of_atlas(honest) == _of_atlas(lied_to)
    assert honest.without_work.get("atlas") == lied_to.without_work.get("atlas")


def _of_atlas(verdicts: Verdicts) -> dict[str, Hole]:
    return {ce: hole for ce, hole in verdicts.holes.items() if " of VO atlas " in hole.reason}


@given(COHORTS, st.randoms())
def test_the_order_of_what_is_known_changes_nothing(cohorts: list[Cohort], dice: Random) -> None:
    mixture = sorted(cohorts, key=lambda _: dice.random())
    assert judge(merged(cohorts), NOW) == judge(merged(mixture), NOW)


# What counts


def event(kind: EventKind, ran: float | None, *, minutes_ago: float = 20) -> Event:
    start = None if ran is None else began(minutes_ago) + timedelta(seconds=12)
    return Event(NOW, kind, start, None if ran is None else ran * MINUTE)


@pytest.mark.parametrize(
    ("kind", "counts"),
    [
        (EventKind.STARTED, {"useful": 1, "served": 1}),
        (EventKind.SHORT, {"short": 1}),
        (EventKind.EMPTY, {"empty": 1}),
        (EventKind.FINISHED, None),
        (EventKind.FAILED_START, None),
    ],
)
def test_a_pilot_counts_where_and_when_it_began(
    kind: EventKind, counts: dict[str, Any] | None
) -> None:
    cohort = counted("atlas", "lyon", event(kind, 1), known_at_start=True)
    assert cohort == (counts and at("lyon", 20)._replace(**counts))


def test_where_a_vo_asks_for_a_long_life_the_end_counts_instead_of_the_start() -> None:
    def count(kind: EventKind) -> Cohort | None:
        return counted("atlas", "lyon", event(kind, 30), known_at_start=False)

    assert count(EventKind.STARTED) is None
    assert count(EventKind.FINISHED) == at("lyon", 20, useful=1)


def test_of_a_pilot_whose_beginning_nobody_knows_nothing_counts() -> None:
    assert counted("atlas", "lyon", event(EventKind.SHORT, None), known_at_start=True) is None


# How long is short


def usual(*events: Event, parameters: Parameters = DEFAULTS) -> Usual:
    lives = Usual(None, parameters)
    for one in events:
        lives.add(one)
    return Usual(lives.stored(), parameters)


def test_lives_of_a_clock_that_was_set_back_fade_from_now_on() -> None:
    long = usual(event(EventKind.FINISHED, 60))
    now = NOW - timedelta(days=365)
    after = Usual(long.stored(), DEFAULTS, now)
    after.add(event(EventKind.FINISHED, 30)._replace(at=now + 10 * DEFAULTS.memory))
    assert after.length is not None
    assert after.length < 31 * MINUTE


def test_where_nothing_is_known_nothing_is_short() -> None:
    assert usual().useful_after == timedelta()


def test_pilots_that_live_for_an_hour_are_short_below_five_minutes() -> None:
    assert usual(event(EventKind.FINISHED, 60)).useful_after == 5 * MINUTE


def test_of_pilots_that_live_for_a_minute_only_some_seconds_are_short() -> None:
    assert usual(event(EventKind.FINISHED, 1)).useful_after == timedelta(seconds=6)


def test_however_many_short_ones_there_are_they_change_it_little() -> None:
    lives = [event(EventKind.FINISHED, 60)] * 20
    shorts = [event(EventKind.SHORT, 1)] * 2000
    length = usual(*lives, *shorts).length
    assert length is not None
    assert length > 20 * MINUTE


def test_one_that_outlived_its_first_minutes_is_expected_to_live_on() -> None:
    assert usual(event(EventKind.STARTED, 5)).useful_after == 3 * MINUTE


def test_with_no_part_nothing_is_short() -> None:
    never = Parameters(short_part=0.0)
    assert usual(event(EventKind.FINISHED, 60), parameters=never).useful_after == timedelta()


# What follows


def test_a_vo_without_work_keeps_a_trickle() -> None:
    no_work = NoWork(reason="its last 9 pilots in a row found no work", since=NOW)
    assert [demand_without(no_work, demand) for demand in (None, 500, 1, 0)] == [2, 2, 1, 0]
    assert [demand_without(None, demand) for demand in (None, 500)] == [None, 500]


def test_a_ce_that_swallows_is_paused_until_one_that_began_meanwhile_is_of_use() -> None:
    hole = Hole(reason="9 pilots of VO atlas in a row ended for nothing", since=began(10))
    state = learn(None, [], now=NOW, configured=0.9, hole=hole)
    [pause] = state.changes
    assert pause.reason == hole.reason

    before = event(EventKind.STARTED, 20, minutes_ago=25)
    state = learn(state.state, [before], now=NOW, configured=0.9)
    assert state.changes == ()
    probe = event(EventKind.STARTED, 5, minutes_ago=5)
    [end] = learn(state.state, [probe], now=NOW, configured=0.9).changes
    assert end.reason == "a pilot was of use"


@pytest.mark.parametrize("kind", [EventKind.SHORT, EventKind.EMPTY])
def test_an_end_without_use_is_no_merit_of_a_ce_and_no_fault(kind: EventKind) -> None:
    before = learn(None, [event(EventKind.STARTED, 5)], now=NOW, configured=0.9).state
    after = learn(before, [event(kind, 1)] * 50, now=NOW, configured=0.9).state
    assert after == before


def test_the_words_for_the_use_of_a_pilot_are_the_same_for_what_it_teaches() -> None:
    assert {Use.SHORT, Use.EMPTY} == {str(EventKind.SHORT), str(EventKind.EMPTY)}
