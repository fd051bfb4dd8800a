"""The chains that tests go through, and copies of them that have a second revision."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

from alembic.script import ScriptDirectory
from sqlalchemy import MetaData

from worker.backends import registry
from worker.db.append_only import is_append_only
from worker.db.chains import CORE_CHAIN, Chain
from worker.db.tables import NAMING
from worker.db.tally_triggers import follows
from worker.db.updated_at import keeps_updated_at
from worker.domain.change import LEAST_DAYS

BACKENDS = [backend.chain for backend in registry.discover().values()]
CHAINS = [CORE_CHAIN, *BACKENDS]


def head(chain: Chain) -> str:
    """Return the newest revision of a chain."""
    return _head(chain.folder, frozenset((chain.folder / "versions").glob("*.py")))


@cache
def _head(folder: Path, revisions: frozenset[Path]) -> str:
    """Ask Alembic once for each set of files, because it reads every revision to answer."""
    return str(ScriptDirectory(str(folder)).get_current_head())


def next_revision(chain: Chain) -> str:
    """Return the name of the next revision of a chain."""
    return f"{int(head(chain)) + 1:04}"


def up_to(chain: Chain) -> list[Chain]:
    """List a chain after the chains that it needs."""
    return [CORE_CHAIN] if chain is CORE_CHAIN else [CORE_CHAIN, chain]


def copy_migrations(chain: Chain, folder: Path) -> Chain:
    """Copy the migrations of a chain, compiled as they are, so that a test may write one more."""
    shutil.copytree(chain.folder, folder)
    return replace(chain, folder=folder)


def copy_with_models(chain: Chain, folder: Path, edit: Callable[[MetaData], object]) -> Chain:
    """Copy a chain, its migrations and its models, and change the models of the copy."""
    metadata = MetaData(naming_convention=NAMING)
    for table in chain.metadata.sorted_tables:
        copy = table.to_metadata(metadata)
        if "updated_at" in copy.c:
            # The copy of a table has no event listeners.
            keeps_updated_at(copy, key=next(iter(copy.primary_key.columns)).name)
        if copy.name == "pilots":
            copy.add_is_dependent_on(metadata.tables["new_tallies"])
            follows(copy)
        if copy.name == "changes":
            is_append_only(copy, LEAST_DAYS)
    edit(metadata)
    return replace(copy_migrations(chain, folder), metadata=metadata)
