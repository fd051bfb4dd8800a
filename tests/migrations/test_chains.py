"""Migrating up, down and up again; a schema that is newer, half done or of others is reported."""

from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import inspect, text

from tests.conftest import ON_BOTH
from tests.expectations import broken_by, refused
from tests.factories import a_ce, a_pilot
from tests.migrations.chains import BACKENDS, CHAINS, copy_migrations, head, next_revision, up_to
from worker.db import chains, schema
from worker.db.chains import CORE, CORE_CHAIN, Chain, ChainState
from worker.db.database import Database
from worker.domain.errors import (
    ConfigurationError,
    DatabaseRefused,
    InUse,
    SchemaAbsent,
    SchemaAhead,
    SchemaBehind,
    SchemaForeign,
)
from worker.services.operate import database as care

pytestmark = pytest.mark.slow

by_chain = pytest.mark.parametrize("chain", CHAINS, ids=lambda chain: chain.name)
by_backend = pytest.mark.parametrize("chain", BACKENDS, ids=lambda chain: chain.name)


@pytest.fixture(params=ON_BOTH)
def before(request: pytest.FixtureRequest, chain: Chain) -> Any:
    """Each database, with the tables that a chain needs before its own."""
    kind = "blank" if chain is CORE_CHAIN else "core"
    return request.getfixturevalue(f"{request.param}_{kind}")


def tables(database: Database) -> set[str]:
    with database.engine.connect() as connection:
        return set(inspect(connection).get_table_names())


def place(database: Database, chain: Chain) -> ChainState:
    with database.engine.connect() as connection:
        return chains.standing(connection, chain).place


@by_chain
def test_a_baseline_makes_exactly_the_tables_that_its_chain_owns(
    before: Database, chain: Chain
) -> None:
    others = tables(before)
    chains.migrate(before.engine, chain)

    assert tables(before) - others == {*chain.tables, chain.version_table}


@by_chain
def test_up_and_down_and_up_again_ends_where_it_began(before: Database, chain: Chain) -> None:
    chains.migrate(before.engine, chain)
    chains.downgrade(before.engine, chain)
    down, remains = place(before, chain), tables(before) & set(chain.tables)
    chains.migrate(before.engine, chain)

    assert (down, remains) == (ChainState.ABSENT, set())
    assert place(before, chain) is ChainState.CURRENT
    assert schema.differences(before.engine, up_to(chain)) == []


def test_going_down_leaves_nothing_behind_but_the_empty_version_tables(fresh: Database) -> None:
    for chain in reversed(fresh.chains):
        chains.downgrade(fresh.engine, chain)
    with fresh.engine.connect() as connection:
        versions = [
            connection.execute(text(f"SELECT count(*) FROM {chain.version_table}")).scalar_one()
            for chain in fresh.chains
        ]
        functions = (
            connection.execute(text("SELECT proname FROM pg_proc WHERE proname LIKE 'pilotage%'"))
            if fresh.engine.dialect.name == "postgresql"
            else connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'"))
        ).all()

    assert tables(fresh) - {"sqlite_sequence"} == {chain.version_table for chain in CHAINS}
    assert (versions, functions) == ([0] * len(CHAINS), [])


def test_to_migrate_again_changes_nothing(blank: Database) -> None:
    first = care.migrate(blank)
    again = care.migrate(blank)

    assert [(chain.chain, chain.status) for chain in first] == [(c.name, "created") for c in CHAINS]
    assert {(chain.status, chain.was == chain.revision) for chain in again} == {("unchanged", True)}


@by_backend
def test_a_back_end_before_core_is_told_to_wait(blank: Database, chain: Chain) -> None:
    with refused(SchemaAbsent, "no tables yet", "pilotage db setup"):
        care.migrate_chain(blank, chain)

    assert tables(blank) == set()


def test_each_back_end_is_migrated_for_itself(database: Database, tmp_path: Path) -> None:
    faulty = Chain(
        name="broken", tables=(), metadata=BACKENDS[0].metadata.__class__(), folder=tmp_path
    )
    reports = care.migrate_each(database, [faulty, *BACKENDS])

    assert [(one.chain, one.status) for one in reports] == [
        ("broken", "failed"),
        *((chain.name, "unchanged") for chain in BACKENDS),
    ]
    assert reports[0].error is not None
    assert "\n" not in reports[0].error


def test_half_applied_chains_are_one_clear_line(blank: Database) -> None:
    with refused(SchemaAbsent, "no tables yet"):
        care.require_current(blank)
    chains.migrate(blank.engine, CORE_CHAIN)
    with refused(SchemaBehind, "is at nothing, needed is 0001"):
        care.require_current(blank)
    care.migrate(blank)
    care.require_current(blank)


@by_chain
def test_a_newer_database_is_one_clear_line_and_is_left_alone(
    database: Database, chain: Chain
) -> None:
    version = f"UPDATE {chain.version_table} SET version_num = '%s'"
    with database.engine.begin() as connection:
        connection.exec_driver_sql(version.replace("%s", "9999"))
    try:
        with refused(SchemaAhead, f"{chain.name} is at 9999", "upgrade pilotage"):
            care.require_current(database)
        with refused(SchemaAhead, f"{chain.name} is at 9999"):
            care.migrate(database)
        assert place(database, chain) is ChainState.AHEAD
        assert any("ahead" in line for line in care.verify(database))
    finally:
        with database.engine.begin() as connection:
            connection.exec_driver_sql(version.replace("%s", head(chain)))


@by_chain
def test_tables_that_no_migration_made_are_not_touched(before: Database, chain: Chain) -> None:
    with before.engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE {chain.tables[0]} (id INTEGER)")

    with refused(SchemaForeign, chain.name, "--stamp"):
        care.migrate(before)
    with refused(SchemaForeign, chain.name):
        care.require_current(before)
    with refused(InUse, f"chain {chain.name} cannot be stamped", chain.tables[0]):
        care.migrate(before, stamp=True)
    assert tables(before) & set(chain.tables) == {chain.tables[0]}
    assert place(before, chain) is ChainState.FOREIGN


def test_tables_that_create_all_made_are_those_of_the_migrations(blank: Database) -> None:
    for chain in blank.chains:
        chain.metadata.create_all(blank.engine)

    assert schema.differences(blank.engine, blank.chains) == []
    with blank.uow() as tx:
        assert tx.execute(text("SELECT name FROM vos")).scalars().all() == ["default"]


def test_tables_that_create_all_made_can_be_stamped_and_go_on(blank: Database) -> None:
    for chain in blank.chains:
        chain.metadata.create_all(blank.engine)
    with refused(SchemaForeign, CORE):
        care.migrate(blank)
    reports = care.migrate(blank, stamp=True)
    care.require_current(blank)
    with blank.uow() as tx:
        a_pilot().running().create(tx)

    assert [(chain.status, chain.revision) for chain in reports] == [
        ("stamped", head(chain)) for chain in CHAINS
    ]
    assert care.verify(blank) == []


def test_to_stamp_an_empty_database_is_to_migrate_it(blank: Database) -> None:
    reports = care.migrate(blank, stamp=True)

    assert {chain.status for chain in reports} == {"created"}


NEXT = f'''
"""Begin well and fail."""

import sqlalchemy as sa
from alembic import op

revision = "{next_revision(CORE_CHAIN)}"
down_revision = "{head(CORE_CHAIN)}"


def upgrade() -> None:
    op.add_column("ces", sa.Column("site", sa.Text()))
    op.execute("UPDATE ces SET capacity = 77")
    raise ZeroDivisionError
'''


def test_a_migration_that_fails_leaves_everything_as_it_was(
    fresh: Database, tmp_path: Path
) -> None:
    with fresh.uow() as tx:
        ce = a_ce().create(tx)
    copy = core_with(tmp_path, NEXT)

    with broken_by(ZeroDivisionError):
        chains.migrate(fresh.engine, copy)
    assert place(fresh, copy) is ChainState.BEHIND
    assert care.verify(fresh) == []
    with fresh.uow() as tx:
        assert tx.execute(text("SELECT capacity FROM ces")).scalar_one() == ce.capacity
    with fresh.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1


def core_with(folder: Path, revision: str) -> Chain:
    copy = copy_migrations(CORE_CHAIN, folder / "chain")
    (copy.folder / "versions" / f"{next_revision(CORE_CHAIN)}_next.py").write_text(
        revision, encoding="utf-8"
    )
    return copy


def test_a_row_that_points_nowhere_stops_a_migration_on_sqlite(
    sqlite_fresh: Database, tmp_path: Path
) -> None:
    fine = NEXT.replace("raise ZeroDivisionError", "")
    with sqlite_fresh.engine.connect() as connection:
        cursor = connection.connection.cursor()
        cursor.execute("PRAGMA foreign_keys = OFF")
        cursor.execute("INSERT INTO ce_vos VALUES (4711, 4712)")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    with refused(DatabaseRefused, "ce_vos", "would point at no row"):
        chains.migrate(sqlite_fresh.engine, core_with(tmp_path, fine))
    assert care.verify(sqlite_fresh) == []


def test_migrations_that_are_run_past_us_say_how_to_run_them(tmp_path: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(CORE_CHAIN.folder))
    with refused(ConfigurationError, "chain core", "pilotage"):
        command.upgrade(config, "head")
