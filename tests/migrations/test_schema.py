"""Whatever somebody changes in the schema by hand is named as a difference from the models."""

from dataclasses import dataclass

import pytest

from tests.migrations.chains import head
from worker.db import schema
from worker.db.chains import CORE_CHAIN
from worker.db.database import Database
from worker.services.operate import database as care


@dataclass(frozen=True)
class Tampering:
    """What somebody did by hand, on each database, and the line that reports it.

    On SQLite most of it needs a rebuilt table; there `sqlite` is a replacement in the statement
    that made the table.
    """

    line: str
    postgresql: str
    sqlite: str | tuple[str, str, str] | None


TAMPERINGS = {
    "a dropped index": Tampering(
        "index pilots.ix_pilots_waiting: missing",
        "DROP INDEX ix_pilots_waiting",
        "DROP INDEX ix_pilots_waiting",
    ),
    "an added index": Tampering(
        "index pilots.ix_extra: not in the models",
        "CREATE INDEX ix_extra ON pilots (raw)",
        "CREATE INDEX ix_extra ON pilots (raw)",
    ),
    "another predicate of a partial index": Tampering(
        "index pilots.ix_pilots_waiting: is ",
        "DROP INDEX ix_pilots_waiting;;"
        " CREATE INDEX ix_pilots_waiting ON pilots (ce_id, id)"
        " WHERE status = 'running'",
        "DROP INDEX ix_pilots_waiting;;"
        " CREATE INDEX ix_pilots_waiting ON pilots (ce_id, id)"
        " WHERE status = 'running'",
    ),
    "an added column": Tampering(
        "column ces.extra: not in the models",
        "ALTER TABLE ces ADD COLUMN extra INTEGER",
        "ALTER TABLE ces ADD COLUMN extra INTEGER",
    ),
    "a dropped column": Tampering(
        "column pilots.exit_code: missing",
        "ALTER TABLE pilots DROP COLUMN exit_code",
        "ALTER TABLE pilots DROP COLUMN exit_code",
    ),
    "another type": Tampering(
        "column pilots.handle: is ",
        "ALTER TABLE pilots ALTER COLUMN handle TYPE varchar(10)",
        ("pilots", "handle TEXT", "handle VARCHAR(10)"),
    ),
    "another order of texts": Tampering(
        "column pilots.stamp: is ",
        'ALTER TABLE pilots ALTER COLUMN stamp TYPE varchar(32) COLLATE "default"',
        None,
    ),
    "another default": Tampering(
        "column vos.share: is ",
        "ALTER TABLE vos ALTER COLUMN share SET DEFAULT 2",
        ("vos", "DEFAULT 1 ", "DEFAULT 2 "),
    ),
    "a column that may be empty": Tampering(
        "column ces.capacity: is ",
        "ALTER TABLE ces ALTER COLUMN capacity DROP NOT NULL",
        ("ces", "capacity INTEGER NOT NULL", "capacity INTEGER"),
    ),
    "a dropped CHECK": Tampering(
        "constraint ces.ck_ces_capacity: missing",
        "ALTER TABLE ces DROP CONSTRAINT ck_ces_capacity",
        ("ces", ", CONSTRAINT ck_ces_capacity CHECK (capacity >= 0)", ""),
    ),
    "a loosened CHECK": Tampering(
        "constraint ces.ck_ces_capacity: is ",
        "ALTER TABLE ces DROP CONSTRAINT ck_ces_capacity;; "
        "ALTER TABLE ces ADD CONSTRAINT ck_ces_capacity CHECK (capacity >= -5)",
        ("ces", "capacity >= 0", "capacity >= -5"),
    ),
    "a dropped UNIQUE": Tampering(
        "constraint vos.uq_vos_name: missing",
        "ALTER TABLE vos DROP CONSTRAINT uq_vos_name",
        ("vos", "CONSTRAINT uq_vos_name UNIQUE (name)", "UNIQUE (name)"),
    ),
    "a foreign key that deletes": Tampering(
        "constraint pilots.fk_pilots_ce_id: is ",
        "ALTER TABLE pilots DROP CONSTRAINT fk_pilots_ce_id;; ALTER TABLE pilots"
        " ADD CONSTRAINT fk_pilots_ce_id FOREIGN KEY (ce_id) REFERENCES ces (id) ON DELETE CASCADE",
        (
            "pilots",
            "REFERENCES ces (id) ON DELETE RESTRICT",
            "REFERENCES ces (id) ON DELETE CASCADE",
        ),
    ),
    "a dropped trigger": Tampering(
        "trigger ces.touch_ces: missing", "DROP TRIGGER touch_ces ON ces", "DROP TRIGGER touch_ces"
    ),
    "a switched-off trigger": Tampering(
        "trigger ces.touch_ces: is ", "ALTER TABLE ces DISABLE TRIGGER touch_ces", None
    ),
    "a trigger that does nothing": Tampering(
        "trigger ces.touch_ces: is ",
        "CREATE OR REPLACE FUNCTION pilotage_touch() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN RETURN NEW; END$$",
        None,
    ),
    "a dropped table": Tampering(
        "table decisions: missing", "DROP TABLE decisions", "DROP TABLE decisions"
    ),
    "a dropped table of a back-end": Tampering(
        "table sim_jobs: missing", "DROP TABLE sim_jobs", "DROP TABLE sim_jobs"
    ),
    "another sort of numbering": Tampering(
        "column decisions.id: is ",
        "ALTER TABLE decisions ALTER COLUMN id DROP DEFAULT",
        None,
    ),
    "a pilot's number that can come again": Tampering(
        "constraint pilots.autoincrement: missing",
        "",
        ("pilots", "PRIMARY KEY AUTOINCREMENT", "PRIMARY KEY"),
    ),
}


def tamper(database: Database, change: str | tuple[str, str, str]) -> None:
    """Change a schema by hand."""
    connection = database.engine.raw_connection()
    cursor = connection.cursor()
    if isinstance(change, str):
        for statement in change.split(";; "):
            cursor.execute(statement)
    else:
        table, old, new = change
        cursor.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,))
        [definition] = cursor.fetchone() or [""]
        assert " ".join(old.split()) in " ".join(definition.split()), definition
        cursor.execute("PRAGMA writable_schema = ON")
        new_definition = " ".join(definition.split()).replace(old, new)
        cursor.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (new_definition, table))
        cursor.execute("PRAGMA writable_schema = OFF")
    connection.commit()
    connection.close()
    # Only a new connection reads the schema anew.
    database.engine.dispose()


def test_a_migrated_database_is_as_the_models_say(database: Database) -> None:
    assert schema.differences(database.engine, database.chains) == []
    assert care.verify(database) == []


def test_to_look_changes_nothing(database: Database) -> None:
    with database.uow() as tx:
        before = tx.connection.dialect.get_schema_names(tx.connection)
    care.verify(database)
    with database.uow() as tx:
        assert tx.connection.dialect.get_schema_names(tx.connection) == before


@pytest.mark.parametrize("name", TAMPERINGS)
def test_what_somebody_changed_on_sqlite_is_named(sqlite_fresh: Database, name: str) -> None:
    tampering = TAMPERINGS[name]
    if tampering.sqlite is None:
        return
    tamper(sqlite_fresh, tampering.sqlite)
    lines = care.verify(sqlite_fresh)

    assert [line for line in lines if tampering.line in line] != []
    # Some have more than one line, but none is about something else.
    kind, table = tampering.line.split(":")[0].split(".")[0].split(" ")
    for line in lines:
        assert line.startswith(f"{kind} ") or f" {table}" in line


@pytest.mark.parametrize("name", TAMPERINGS)
def test_what_somebody_changed_on_postgresql_is_named(
    postgresql_fresh: Database, name: str
) -> None:
    tampering = TAMPERINGS[name]
    if not tampering.postgresql:
        return
    tamper(postgresql_fresh, tampering.postgresql)
    lines = care.verify(postgresql_fresh)

    assert [line for line in lines if tampering.line in line] != []
    # Some have more than one line, but none is about something else.
    kind, table = tampering.line.split(":")[0].split(".")[0].split(" ")
    for line in lines:
        assert line.startswith(f"{kind} ") or f" {table}" in line


def test_a_table_of_somebody_else_is_no_business_of_ours(fresh: Database) -> None:
    tamper(fresh, "CREATE TABLE stranger (id INTEGER);; CREATE TABLE pilots_backup (id INTEGER)")

    assert care.verify(fresh) == []


def test_a_chain_that_is_not_there_is_named_with_its_tables(blank: Database) -> None:
    lines = care.verify(blank)

    assert f"chain core: absent, at nothing, the newest is {head(CORE_CHAIN)}" in lines
    for chain in blank.chains:
        for table in chain.tables:
            assert f"table {table}: missing" in lines
    assert len(lines) == sum(1 + len(chain.tables) for chain in blank.chains)


def test_the_status_counts_the_rows_of_each_table(blank: Database) -> None:
    before = care.status(blank)
    care.migrate(blank)
    after = care.status(blank)

    assert {chain.place for chain in before} == {"absent"}
    assert {count for chain in before for count in chain.rows.values()} == {None}
    assert {chain.place for chain in after} == {"current"}
    counts = {"vos": 1, "changes": len(blank.chains)}
    assert after[0].rows == {table: counts.get(table, 0) for table in blank.chains[0].tables}
