"""Use a database before and after a fork in both processes; print their connections.

python -m tests.integration.forking URL
"""

import json
import os
import sys

from sqlalchemy import text

from worker.db.database import Database
from worker.db.engine import parse_url


def connection_id(database: Database) -> int:
    """Return the id of the process of the server that serves our connection."""
    with database.uow() as tx:
        return int(tx.execute(text("SELECT pg_backend_pid()")).scalar_one())


def main(url: str) -> None:
    """Print the connection of the parent before, of the child, and of the parent after the fork."""
    database = Database(parse_url(url))
    ids = {"before": connection_id(database)}
    reading, writing = os.pipe()
    if child := os.fork():
        os.close(writing)
        with os.fdopen(reading) as pipe:
            ids["child"] = int(pipe.read())
        _, status = os.waitpid(child, 0)
        ids["status"] = status
        ids["after"] = connection_id(database)
        database.engine.dispose()
        print(json.dumps(ids))  # noqa: T201
        return
    os.write(writing, str(connection_id(database)).encode())
    database.engine.dispose()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
