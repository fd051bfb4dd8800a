"""Migrate a database as a site with one more back-end does, and print what happened.

PILOTAGE_DATABASE_URL=… python -m tests.migrations.visiting
"""

import json
import sys
from dataclasses import asdict
from typing import Any

from worker import wiring
from worker.domain.errors import PilotageError
from worker.services.operate import database as care


def visit() -> dict[str, Any]:
    """Migrate twice, verify, and return the result of each step."""
    database, backends = wiring.database(), wiring.backends()
    own = [backend.chain for backend in backends.values()]
    core = database.chains[:1]
    care.create(database)
    report = {
        "backends": {name: backend.about for name, backend in backends.items()},
        "first": [asdict(one) for one in care.migrate_each(database, [*core, *own])],
        "again": [asdict(one) for one in care.migrate_each(database, own)],
        "differences": care.verify(database),
        "tables": {chain.chain: chain.rows for chain in care.status(database)},
    }
    database.engine.dispose()
    return report


if __name__ == "__main__":
    try:
        sys.stdout.write(json.dumps(visit()))
    except PilotageError as error:
        sys.exit(str(error))
