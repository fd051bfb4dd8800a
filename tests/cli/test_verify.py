"""`pilotage db verify`: every change by hand is named, and the exit code is 1."""

import json

import pytest
from sqlalchemy import text

from tests.cli.command import Cli, complaint, contents, sql
from tests.migrations.chains import head
from worker.db.chains import CORE_CHAIN
from worker.db.database import Database

PUT_RIGHT = "success_rate FLOAT DEFAULT 1 NOT NULL"


def rewrite(table: str, old: str, new: str) -> list[str]:
    """Change a constraint or default, which SQLite can do only in its catalog."""
    old, new = old.replace("'", "''"), new.replace("'", "''")
    return [
        "PRAGMA writable_schema = ON",
        f"UPDATE sqlite_master SET sql = replace(sql, '{old}', '{new}') WHERE name = '{table}'",
        "PRAGMA writable_schema = OFF",
    ]


CHANGES = {
    "a dropped index": (
        ["DROP INDEX ix_pilots_waiting"],
        ["DROP INDEX ix_pilots_waiting"],
        "index pilots.ix_pilots_waiting: missing",
    ),
    "a column added by hand": (
        ["ALTER TABLE ces ADD COLUMN colour TEXT"],
        ["ALTER TABLE ces ADD COLUMN colour TEXT"],
        "column ces.colour: not in the models",
    ),
    "a dropped constraint": (
        # The constraint may be the last one of its table, because a migration may reorder them.
        rewrite("ces", ", \n\tCONSTRAINT ck_ces_waiting_limit CHECK (waiting_limit >= 0)", ""),
        ["ALTER TABLE ces DROP CONSTRAINT ck_ces_waiting_limit"],
        "constraint ces.ck_ces_waiting_limit: missing",
    ),
    "a changed default": (
        rewrite("ces", PUT_RIGHT, PUT_RIGHT.replace("1", "0.5")),
        ["ALTER TABLE ces ALTER COLUMN success_rate SET DEFAULT 0.5"],
        "column ces.success_rate: is ",
    ),
    "a dropped table": (
        ["DROP TABLE reports"],
        ["DROP TABLE reports"],
        "table reports: missing",
    ),
    "a back-end's column": (
        ["ALTER TABLE sim_faults ADD COLUMN colour TEXT"],
        ["ALTER TABLE sim_faults ADD COLUMN colour TEXT"],
        "column sim_faults.colour: not in the models",
    ),
}


def spoil(database: Database, name: str) -> str:
    on_sqlite, on_postgresql, line = CHANGES[name]
    if database.url.get_backend_name() == "sqlite":
        before = catalog(database)
        sql(database, *on_sqlite)
        assert catalog(database) != before, "nothing was spoilt"
    else:
        sql(database, *on_postgresql)
    return line


def catalog(database: Database) -> list[str]:
    """Return the statements that made an SQLite database."""
    with database.engine.connect() as connection:
        return list(connection.execute(text("SELECT sql FROM sqlite_master")).scalars())


def test_a_database_as_the_models_say_is_no_difference(cli: Cli, fresh: Database) -> None:
    assert cli.ok("db", "verify").out == f"{fresh} agrees with the models\n"
    assert cli.json("db", "verify") == {
        "database": str(fresh),
        "differences": [],
        "not_verified": [],
    }


@pytest.mark.parametrize("name", list(CHANGES)[:4])
def test_a_difference_is_named(cli: Cli, fresh: Database, name: str) -> None:
    start = spoil(fresh, name)
    before = contents(fresh)

    answer = cli("db", "verify")

    assert complaint(answer).endswith("1 difference")
    (line,) = answer.lines
    assert line.startswith(start)
    as_json = cli("db", "verify", "--json")
    assert as_json.code == 1
    assert json.loads(as_json.out)["differences"] == [line]
    assert contents(fresh) == before


def test_every_difference_is_named(cli: Cli, fresh: Database) -> None:
    parts = [spoil(fresh, name) for name in CHANGES]

    answer = cli("db", "verify")

    assert complaint(answer).endswith(f"{len(parts)} differences")
    for part in parts:
        assert len([line for line in answer.lines if line.startswith(part)]) == 1


def test_a_database_without_tables_differs(cli: Cli, bare: Database) -> None:
    answer = cli("db", "verify")

    complaint(answer)
    assert "table pilots: missing" in answer.lines
    assert f"chain core: absent, at nothing, the newest is {head(CORE_CHAIN)}" in answer.lines
