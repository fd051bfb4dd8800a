"""Every chain is registered, has its scaffolding on disk, and owns the tables it declares."""

from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData

from tests.expectations import refused
from tests.migrations.chains import BACKENDS, CHAINS
from worker import wiring
from worker.backends import registry
from worker.db.chains import CORE, CORE_CHAIN, Chain
from worker.domain.errors import ConfigurationError, UnknownBackend

by_chain = pytest.mark.parametrize("chain", CHAINS, ids=lambda chain: chain.name)


def test_the_back_ends_that_we_ship_are_found_by_the_door_of_plug_ins() -> None:
    assert {"local", "sim"} <= {chain.name for chain in BACKENDS}


def test_core_comes_first() -> None:
    assert wiring.database().chains[0].name == CORE
    assert len(wiring.database().chains) == len(CHAINS)


@by_chain
def test_the_scaffolding_is_on_disk(chain: Chain) -> None:
    for name in ("env.py", "script.py.mako", "versions/0001_baseline.py"):
        assert (chain.folder / name).is_file(), name


@by_chain
def test_the_shim_names_its_chain_and_delegates(chain: Chain) -> None:
    lines = (chain.folder / "env.py").read_text(encoding="utf-8").splitlines()

    assert f'run("{chain.name}")' in lines
    assert len(lines) < 10


@by_chain
def test_revisions_are_one_line_from_the_baseline_on(chain: Chain) -> None:
    scripts = ScriptDirectory(str(chain.folder))
    line = [script.revision for script in scripts.walk_revisions()][::-1]

    assert scripts.get_heads() == [line[-1]]
    assert scripts.get_bases() == ["0001"]
    assert line == [f"{n + 1:04}" for n in range(len(line))]


@by_chain
def test_the_models_declare_exactly_the_tables_that_the_chain_owns(chain: Chain) -> None:
    assert set(chain.metadata.tables) == set(chain.tables)
    assert len(set(chain.tables)) == len(chain.tables) > 0
    if chain.name != CORE:
        assert all(table.startswith(f"{chain.name}_") for table in chain.tables)


def test_no_two_chains_share_a_table_or_a_version_table() -> None:
    tables = [table for chain in CHAINS for table in (*chain.tables, chain.version_table)]

    assert len(set(tables)) == len(tables)


def test_every_table_of_a_back_end_has_its_owner() -> None:
    owners = registry.owners(registry.discover())

    assert owners == {table: chain.name for chain in BACKENDS for table in chain.tables}


def test_core_points_at_no_table_of_a_back_end() -> None:
    targets = {
        key.target_fullname.split(".")[0]
        for table in CORE_CHAIN.metadata.tables.values()
        for key in table.foreign_keys
    }

    assert targets <= set(CORE_CHAIN.tables)


@by_chain
def test_every_constraint_and_index_has_a_name(chain: Chain) -> None:
    for table in chain.metadata.tables.values():
        assert all(constraint.name for constraint in table.constraints)
        assert all(index.name for index in table.indexes)


@by_chain
def test_names_fit_into_postgresql(chain: Chain) -> None:
    for table in chain.metadata.tables.values():
        for part in (*table.constraints, *table.indexes, *table.columns):
            assert len(str(part.name)) <= 63


def chain_of(**changes: Any) -> Chain:
    values: dict[str, Any] = {
        "name": "sim",
        "tables": (),
        "metadata": MetaData(),
        "folder": Path("/nowhere"),
    }
    return Chain(**{**values, **changes})


def test_a_chain_that_names_other_tables_than_it_declares_is_refused() -> None:
    with refused(ConfigurationError, "chain sim", "it names ['sim_jobs'] and declares []"):
        chain_of(tables=("sim_jobs",))


def test_a_chain_with_a_table_of_another_prefix_is_refused() -> None:
    with refused(ConfigurationError, "chain local", "does not begin with local_"):
        chain_of(name="local", tables=BACKENDS[-1].tables, metadata=BACKENDS[-1].metadata)


def test_an_unknown_back_end_is_told_its_nearest() -> None:
    with refused(UnknownBackend, "simm", "did you mean 'sim'?"):
        registry.get(registry.discover(), "simm")
