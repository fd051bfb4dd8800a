"""Ticks: none is skipped while a scheduler looks, and none fires twice, however often it looks."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.databases import Sqlite
from tests.factories import MINUTE, NOW
from worker.db import schedules
from worker.db.database import Database
from worker.db.schedules import Schedule
from worker.policy.due import next_tick
from worker.services.tasks import ticks

EVERY = 60
looks = st.lists(st.integers(0, 200), min_size=1, max_size=12)


def count_firings(database: Database, now: datetime, task: str = "learn") -> int:
    """Let a scheduler look; return how often it fired a task."""
    firings, _ = ticks.claim_due(database, now)
    return sum(firing.task.name == task for firing in firings)


def test_an_interval_fires_once_in_each_of_its_beats_in_which_anybody_looks(
    sqlite_template: Sqlite, tmp_path: Path
) -> None:
    with sqlite_template.file(tmp_path / "ticks.sqlite") as database:

        @settings(max_examples=40)
        @given(gaps=looks)
        def holds(gaps: Sequence[int]) -> None:
            with database.uow() as tx:
                schedules.put(tx, Schedule(task="learn", every=EVERY, next_at=NOW))
            at, beats = 0, set()
            for gap in gaps:
                at += gap
                beat = at // EVERY
                assert count_firings(database, NOW + timedelta(seconds=at)) == (beat not in beats)
                beats.add(beat)

        holds()


@given(
    minute=st.integers(0, 59),
    hour=st.none() | st.integers(0, 23),
    day=st.none() | st.integers(1, 31),
    since=st.integers(0, 400 * 24 * 60 * 60),
)
def test_a_cron_line_fires_at_the_first_minute_that_it_names(
    minute: int, hour: int | None, day: int | None, since: int
) -> None:
    now = NOW + timedelta(seconds=since)
    line = f"{minute} {'*' if hour is None else hour} {'*' if day is None else day} * *"
    moment = now.replace(minute=minute, second=0, microsecond=0)
    while moment <= now or hour not in (None, moment.hour) or day not in (None, moment.day):
        moment += 60 * MINUTE

    assert next_tick(None, line, None, now) == moment
    assert moment.tzinfo is UTC


@given(since=st.integers(0, 400 * 24 * 60 * 60), times=st.integers(1, 30))
def test_an_hourly_line_fires_each_hour_of_the_year_and_knows_no_summer_time(
    since: int, times: int
) -> None:
    moment = NOW + timedelta(seconds=since)
    fires = []
    for _ in range(times):
        moment = next_tick(None, "0 * * * *", moment, moment)
        fires.append(moment)

    assert [one - fires[0] for one in fires] == [n * 60 * MINUTE for n in range(times)]
