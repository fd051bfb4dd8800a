"""A chain's next revision: fresh installs and upgrades end alike, and rows survive."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import CheckConstraint, Column, Index, Integer, MetaData, String, text

from tests.expectations import refused
from tests.factories import a_ce, a_health, a_pilot, a_vo
from tests.migrations.chains import BACKENDS, copy_migrations, copy_with_models, head, next_revision
from worker.db import ces, chains, mover, pilot_reads, schema
from worker.db.chains import CORE_CHAIN, Chain, ChainState
from worker.db.database import Database
from worker.domain.errors import SchemaAhead, SchemaBehind
from worker.domain.pilot import Move, Pilot, Status
from worker.services.operate import database as care

pytestmark = pytest.mark.slow

SIM = next(chain for chain in BACKENDS if chain.name == "sim")


def add_a_column(metadata: MetaData) -> None:
    metadata.tables["ces"].append_column(Column("site", String(64)))


def add_a_column_with_a_default(metadata: MetaData) -> None:
    metadata.tables["ces"].append_column(
        Column("priority", Integer, nullable=False, server_default=text("3"))
    )


def add_an_index(metadata: MetaData) -> None:
    pilots_ = metadata.tables["pilots"]
    Index("ix_pilots_cause", pilots_.c.cause, postgresql_where=pilots_.c.cause.is_not(None))


def widen_a_column(metadata: MetaData) -> None:
    # SQLite can only do this by building the table anew, with all that depends on it.
    metadata.tables["ces"].c.backend.type = String(200)


def widen_a_column_of_pilots(metadata: MetaData) -> None:
    metadata.tables["pilots"].c.stamp.type = String(64)


def widen_a_column_of_changes(metadata: MetaData) -> None:
    metadata.tables["changes"].c.kind.type = String(200)


def change_a_comment(metadata: MetaData) -> None:
    metadata.tables["pilots"].comment = "Something else."


CHANGES = [
    add_a_column,
    add_a_column_with_a_default,
    add_an_index,
    widen_a_column,
    widen_a_column_of_pilots,
    widen_a_column_of_changes,
]


def write_second(database: Database, folder: Path, change: Callable[[MetaData], object]) -> Chain:
    """Write the next revision of the core chain, as its authors would."""
    chain = copy_with_models(CORE_CHAIN, folder, change)
    path = chains.write_revision(database.engine, chain, "a second one")
    assert path is not None
    assert path.name.startswith(next_revision(CORE_CHAIN))
    # SQLite does not report this option, so the author of a revision repeats it.
    source = path.read_text(encoding="utf-8")
    plain = "batch_alter_table('pilots', schema=None"
    with_option = plain + ", table_kwargs={'sqlite_autoincrement': True}"
    path.write_text(source.replace(plain, with_option), encoding="utf-8")
    return chain


def with_rows(database: Database) -> Pilot:
    """Fill every table that points at another, and the tables that they point at."""
    with database.uow() as tx:
        vo = a_vo().create(tx)
        ce = a_ce().only_for(vo).tagged("gpu").with_options(queue="täglich").create(tx)
        a_health().of(ce).opened().create(tx)
        return a_pilot().on(ce).for_vo(vo).with_handle("4711").running().create(tx)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_fresh_install_and_an_upgrade_end_in_the_schema_of_the_models(
    fresh: Database,
    change: Callable[[MetaData], object],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    blank = request.getfixturevalue(f"{fresh.engine.dialect.name}_blank")
    chain = write_second(fresh, tmp_path / "chain", change)
    chains.migrate(fresh.engine, chain)
    after_upgrade = [str(one) for one in schema.differences(fresh.engine, [chain, *BACKENDS])]
    chains.downgrade(fresh.engine, chain, head(CORE_CHAIN))
    after_downgrade = [str(one) for one in schema.differences(fresh.engine, fresh.chains)]
    for one in [chain, *BACKENDS]:
        chains.migrate(blank.engine, one)
    after_install = [str(one) for one in schema.differences(blank.engine, [chain, *BACKENDS])]

    assert after_upgrade == []
    assert after_downgrade == []
    assert after_install == []


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_rows_and_what_points_at_them_survive_an_upgrade(
    fresh: Database, change: Callable[[MetaData], object], tmp_path: Path
) -> None:
    before = with_rows(fresh)
    with fresh.uow() as tx:
        ce, steps = ces.get(tx, before.ce), pilot_reads.history(tx, before.id)
    rows = [chain.rows for chain in care.status(fresh)]
    chains.migrate(fresh.engine, write_second(fresh, tmp_path / "chain", change))

    assert [chain.rows for chain in care.status(fresh)] == rows
    with fresh.uow() as tx:
        assert pilot_reads.get(tx, before.id) == before
        assert ces.get(tx, before.ce) == ce
        assert ces.allowed(tx, before.ce) == [before.vo]
        assert pilot_reads.history(tx, before.id) == steps
        assert mover.move(tx, [Move(pilot_id=before.id, to=Status.DONE)], before.updated_at).moved


def test_the_way_back_ends_where_it_began(fresh: Database, tmp_path: Path) -> None:
    before = with_rows(fresh)
    chain = write_second(fresh, tmp_path / "chain", add_a_column_with_a_default)
    chains.migrate(fresh.engine, chain)
    chains.downgrade(fresh.engine, chain, head(CORE_CHAIN))

    assert care.verify(fresh) == []
    with fresh.uow() as tx:
        assert pilot_reads.get(tx, before.id) == before


def test_a_revision_that_was_written_on_one_database_runs_on_the_other(
    sqlite_fresh: Database, postgresql_fresh: Database, tmp_path: Path
) -> None:
    here = write_second(sqlite_fresh, tmp_path / "here", add_a_column_with_a_default)
    there = write_second(postgresql_fresh, tmp_path / "there", add_a_column_with_a_default)
    chains.migrate(postgresql_fresh.engine, here)
    chains.migrate(sqlite_fresh.engine, there)

    assert schema.differences(postgresql_fresh.engine, [here, *BACKENDS]) == []
    assert schema.differences(sqlite_fresh.engine, [there, *BACKENDS]) == []


def test_a_comment_that_changes_does_no_harm_where_there_are_none(
    sqlite_fresh: Database, postgresql_fresh: Database, tmp_path: Path
) -> None:
    chain = write_second(postgresql_fresh, tmp_path / "chain", change_a_comment)
    for database in (postgresql_fresh, sqlite_fresh):
        chains.migrate(database.engine, chain)
        assert schema.differences(database.engine, [chain, *BACKENDS]) == []


def test_a_back_end_has_a_second_revision_of_its_own(fresh: Database, tmp_path: Path) -> None:
    def change(metadata: MetaData) -> None:
        metadata.tables["sim_faults"].append_column(Column("note", String(64)))

    chain = copy_with_models(SIM, tmp_path / "chain", change)
    assert chains.write_revision(fresh.engine, chain, "note") is not None
    was = chains.migrate(fresh.engine, chain)

    others = [one for one in fresh.chains if one.name != "sim"]
    assert (was.place, was.revision, was.head) == (ChainState.BEHIND, head(SIM), next_revision(SIM))
    assert schema.differences(fresh.engine, [*others, chain]) == []
    with fresh.engine.connect() as connection:
        assert {chains.standing(connection, one).place for one in others} == {ChainState.CURRENT}


def test_models_that_agree_need_no_revision(fresh: Database, tmp_path: Path) -> None:

    for chain in fresh.chains:
        copy = copy_migrations(chain, tmp_path / chain.name)
        assert chains.write_revision(fresh.engine, copy, "nothing") is None
        assert head(copy) == head(chain)


def test_old_and_new_programs_tell_each_other_apart(fresh: Database, tmp_path: Path) -> None:
    was, becomes = head(CORE_CHAIN), next_revision(CORE_CHAIN)
    new = Database(fresh.url, [])
    new.chains = [write_second(fresh, tmp_path / "chain", add_a_column)]
    with refused(SchemaBehind, f"core is at {was}, needed is {becomes}"):
        care.require_current(new)
    [report] = care.migrate(new)
    care.require_current(new)
    with refused(SchemaAhead, f"core is at {becomes}, newer than the newest known, {was}"):
        care.require_current(fresh)
    new.engine.dispose()

    assert (report.status, report.was, report.revision) == ("migrated", was, becomes)


def test_a_check_that_the_models_demand_is_not_lost_when_a_table_is_built_anew(
    fresh: Database, tmp_path: Path
) -> None:
    def change(metadata: MetaData) -> None:
        table = metadata.tables["ces"]
        table.append_constraint(CheckConstraint("capacity < 1000000", name="sensible"))
        widen_a_column(metadata)

    chain = copy_with_models(CORE_CHAIN, tmp_path / "chain", change)
    assert chains.write_revision(fresh.engine, chain, "narrow") is not None
    chains.migrate(fresh.engine, chain)
    differences = [
        str(d) for d in schema.differences(fresh.engine, [chain]) if "sensible" not in str(d)
    ]

    # Alembic does not see the new CHECK; its author adds it by hand. The old ones must stay.
    assert differences == []
