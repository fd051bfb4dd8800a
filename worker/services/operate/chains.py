"""The chains of the back-ends: which there are, where they stand, and bringing them up to date."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from worker.backends import registry
from worker.backends.contract import Backend
from worker.db import chains
from worker.db.chains import CORE, CORE_CHAIN
from worker.db.database import Database
from worker.services.operate.database import Migrated, migrate_chain, migrate_each, status

__all__ = ["Migrated", "list_backends", "migrate_one", "upgrade_all", "write_revision"]


def list_backends(database: Database, backends: Mapping[str, Backend]) -> list[dict[str, Any]]:
    """List the back-ends with the standing of their chains."""
    by_name = {chain.chain: chain for chain in status(database)}
    return [
        {
            "name": backend.name,
            "about": backend.about,
            "place": by_name[backend.name].place,
            "revision": by_name[backend.name].revision,
            "newest": by_name[backend.name].newest,
            "tables": list(backend.chain.tables),
        }
        for backend in backends.values()
    ]


def migrate_one(database: Database, backends: Mapping[str, Backend], name: str) -> list[Migrated]:
    """Bring the tables of one back-end up to date."""
    return [migrate_chain(database, registry.get(backends, name).chain)]


def upgrade_all(database: Database, backends: Mapping[str, Backend]) -> list[Migrated]:
    """Bring the tables of every back-end up to date, each for itself."""
    return migrate_each(database, [backend.chain for backend in backends.values()])


def write_revision(
    database: Database, backends: Mapping[str, Backend], name: str, message: str
) -> Path | None:
    """Write the next migration of a chain, from where the database stands to the models."""
    chain = CORE_CHAIN if name == CORE else registry.get(backends, name).chain
    return chains.write_revision(database.engine, chain, message)
