"""Use a database before and after a fork, in both processes; tell who was connected.

python -m tests.integration.forking URL
"""

import json
import os
import sys

from sqlalchemy import text

from worker.db.database import Database
from worker.db.engine import parse_url


def connected(database: Database) -> int:
    """Ask the server which of its processes we speak to."""
    with database.uow() as tx:
        return int(tx.execute(text("SELECT pg_backend_pid()")).scalar_one())


def main(url: str) -> None:
    """Print what the parent saw before, what the child saw, and what the parent saw after."""
    database = Database(parse_url(url))
    seen = {"before": connected(database)}
    reading, writing = os.pipe()
    if child := os.fork():
        os.close(writing)
        with os.fdopen(reading) as told:
            seen["child"] = int(told.read())
        _, status = os.waitpid(child, 0)
        seen["status"] = status
        seen["after"] = connected(database)
        database.engine.dispose()
        print(json.dumps(seen))  # noqa: T201
        return
    os.write(writing, str(connected(database)).encode())
    database.engine.dispose()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
