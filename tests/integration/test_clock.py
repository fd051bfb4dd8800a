"""All hosts share the clock of the database."""

import logging
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, text

from worker.db import clock as module
from worker.db.clock import Clock
from worker.db.database import Database
from worker.db.engine import make_engine, parse_url


def database_time(database: Database) -> datetime:
    with database.engine.connect() as connection:
        now: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        return now


class Wrong(datetime):
    """The clock of a host that is an hour behind."""

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        return datetime.now(UTC) - timedelta(hours=1)


def test_a_host_whose_clock_is_wrong_tells_the_database_s_time(
    postgresql_database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "datetime", Wrong)
    clock = Clock(postgresql_database.engine)
    with caplog.at_level(logging.WARNING):
        times = [clock.now() for _ in range(3)]

    assert all(
        abs(one - database_time(postgresql_database)) < timedelta(seconds=5) for one in times
    )
    assert sorted(times) == times
    assert len([line for line in caplog.messages if "differs by" in line]) == 1


def test_the_database_is_looked_at_once_a_minute(
    postgresql_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [0.0]
    looks: list[float] = []
    monkeypatch.setattr(module, "_counter", lambda: seconds[0])
    clock = Clock(postgresql_database.engine)

    def note(*_: object) -> None:
        looks.append(seconds[0])

    event.listen(postgresql_database.engine, "before_cursor_execute", note)
    for moment in (0.0, 1.0, 30.0, 59.0, 61.0, 62.0, 130.0):
        seconds[0] = moment
        clock.now()
    event.remove(postgresql_database.engine, "before_cursor_execute", note)

    assert looks == [0.0, 61.0, 130.0]


def test_it_goes_on_counting_while_the_database_is_away(
    postgresql_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [0.0]
    monkeypatch.setattr(module, "_counter", lambda: seconds[0])
    clock = Clock(postgresql_database.engine)
    first = clock.now()

    unreachable = make_engine(parse_url("postgresql://nobody@127.0.0.1:1/none_test"))
    monkeypatch.setattr(clock, "_engine", unreachable)
    seconds[0] = 100.0
    assert clock.now() - first == timedelta(seconds=100)
    unreachable.dispose()
