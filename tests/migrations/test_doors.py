"""After a migration, changes may come by a new door; their table stays append-only."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from worker.db import chains
from worker.db.chains import CORE_CHAIN
from worker.db.database import Database
from worker.services.operate import database as care

ROW = """
INSERT INTO changes (who, what, kind, name, before, after, door)
VALUES ('me@here', 'ce set', 'ce', 'lyon', '{"capacity": 1}', NULL, :door)
"""
ROWS = "SELECT id, at, who, what, kind, name, before, after, door FROM changes ORDER BY id"


def add(database: Database, *doors: str) -> None:
    with database.engine.begin() as connection:
        for door in doors:
            connection.execute(text(ROW), {"door": door})


def migrate(database: Database) -> None:
    """Migrate without recording it as a change."""
    for chain in database.chains:
        chains.migrate(database.engine, chain)


def rows(database: Database) -> list[tuple[Any, ...]]:
    with database.engine.begin() as connection:
        return [tuple(row) for row in connection.execute(text(ROWS))]


def assert_append_only(database: Database) -> None:
    for statement in ("UPDATE changes SET who = 'me'", "DELETE FROM changes"):
        with pytest.raises(DBAPIError, match="append-only"), database.engine.begin() as connection:
            connection.execute(text(statement))


def test_changes_come_by_the_api_and_are_of_a_command_on_the_way_back(blank: Database) -> None:
    chains.migrate(blank.engine, CORE_CHAIN, "0016")
    add(blank, "command", "worker")
    with pytest.raises(IntegrityError, match="ck_changes_door"):
        add(blank, "api")
    before = rows(blank)

    migrate(blank)
    assert rows(blank) == before
    assert care.verify(blank) == []
    assert_append_only(blank)
    add(blank, "api")
    with pytest.raises(IntegrityError, match="ck_changes_door"):
        add(blank, "window")
    after = rows(blank)

    chains.downgrade(blank.engine, CORE_CHAIN, "0016")
    assert rows(blank) == [*before, (*after[-1][:-1], "command")]
    assert_append_only(blank)
    migrate(blank)
    assert care.verify(blank) == []


@pytest.mark.slow
def test_changes_come_by_the_console_and_are_of_the_api_on_the_way_back(blank: Database) -> None:
    chains.migrate(blank.engine, CORE_CHAIN, "0023")
    add(blank, "command", "api")
    with pytest.raises(IntegrityError, match="ck_changes_door"):
        add(blank, "console")
    before = rows(blank)

    migrate(blank)
    assert rows(blank) == before
    assert care.verify(blank) == []
    assert_append_only(blank)
    add(blank, "console")
    after = rows(blank)

    chains.downgrade(blank.engine, CORE_CHAIN, "0023")
    assert rows(blank) == [*before, (*after[-1][:-1], "api")]
    assert_append_only(blank)
    migrate(blank)
    assert care.verify(blank) == []
