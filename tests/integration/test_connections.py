"""An idle connection is tested before it is used again; one in use is not, which costs nothing."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests.databases import file_url
from tests.expectations import statements
from worker.db import engine as engines
from worker.db.database import Database
from worker.domain.errors import DatabaseBusy, DatabaseUnavailable

OTHERS = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


def end_all_connections(database: Database) -> None:
    """End all connections, as a restart of the server does."""
    other = Database(database.url)
    with other.engine.begin() as connection:
        connection.execute(text(OTHERS))
    other.engine.dispose()


def ask(database: Database) -> int:
    with database.uow() as tx:
        return int(tx.execute(text("SELECT 1")).scalar_one())


def test_a_unit_of_work_after_a_pause_does_not_meet_a_dead_connection(
    postgresql_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "PING_AFTER_SECONDS", 0.0)
    assert ask(postgresql_database) == 1
    end_all_connections(postgresql_database)

    assert ask(postgresql_database) == 1


def test_one_without_a_pause_fails_in_words_of_ours_and_the_next_one_works(
    postgresql_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "PING_AFTER_SECONDS", 3600.0)
    assert ask(postgresql_database) == 1
    end_all_connections(postgresql_database)

    with pytest.raises(DatabaseUnavailable):
        ask(postgresql_database)
    assert ask(postgresql_database) == 1


def test_a_unit_of_work_after_another_sends_its_own_statements_alone(
    postgresql_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "PING_AFTER_SECONDS", 3600.0)
    pings: list[Engine] = []
    dialect = postgresql_database.engine.dialect
    monkeypatch.setattr(dialect, "do_ping", lambda _: pings.append(postgresql_database.engine))
    assert ask(postgresql_database) == 1
    with statements(postgresql_database.engine) as queries:
        assert ask(postgresql_database) == 1

    assert (len(queries), pings) == (1, [])


def test_a_new_file_that_somebody_else_is_about_to_write_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new.sqlite"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(engines, "sleep", lambda _: other.execute("COMMIT"))
    database = Database(file_url(path))

    assert ask(database) == 1
    assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()
    other.close()


def test_a_file_that_stays_busy_is_refused_in_words_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new.sqlite"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(engines, "SQLITE_BUSY_SECONDS", 0.1)
    database = Database(file_url(path))

    with pytest.raises(DatabaseBusy):
        ask(database)
    database.close()
    other.close()
