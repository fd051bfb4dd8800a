"""A migration while a worker writes: they do not block each other until one is ended."""

import threading

import psycopg
import pytest

from tests.patience import until, wait_for
from worker.db import chains
from worker.db.chains import CORE_CHAIN, ChainState
from worker.db.database import Database
from worker.services.operate import database as care

pytestmark = pytest.mark.postgresql

WAITS = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = %s::regclass"


def dsn(database: Database) -> str:
    return database.url.set(drivername="postgresql").render_as_string(hide_password=False)


# A migration changes the first table last, and locks the other one last.
@pytest.mark.parametrize("table", ["breaker_changes", "vos"])
def test_who_works_and_who_migrates_do_not_wait_for_each_other(
    postgresql_fresh: Database, table: str
) -> None:
    chains.downgrade(postgresql_fresh.engine, CORE_CHAIN, "0003")
    migrating = threading.Thread(target=care.migrate, args=[postgresql_fresh], daemon=True)
    with (
        psycopg.connect(dsn(postgresql_fresh)) as worker,
        psycopg.connect(dsn(postgresql_fresh), autocommit=True) as other,
    ):
        worker.execute(f"SELECT * FROM {table}")
        migrating.start()
        until(lambda: other.execute(WAITS, [table]).fetchone() != (0,), "the migration to wait")
        worker.execute("SELECT * FROM pilots")
        worker.commit()
        wait_for(migrating)

    with postgresql_fresh.uow() as tx:
        assert chains.standing(tx.connection, CORE_CHAIN).place is ChainState.CURRENT
