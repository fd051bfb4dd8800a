"""After the clock was set back: due times are corrected, and no locked row is waited for."""

from datetime import timedelta

import pytest
from sqlalchemy import select, text

from tests.factories import NOW, a_pilot
from worker.db import clock_set_back
from worker.db.database import Database
from worker.db.tables import pilots
from worker.db.uow import UnitOfWork

FAR_AHEAD = NOW + timedelta(days=365)


def due_far_ahead(uow: UnitOfWork) -> list[int]:
    """Make two running pilots whose next check is due in a year."""
    with uow() as tx:
        ids = [one.id for one in a_pilot().running().create_many(tx, 2)]
        tx.execute(pilots.update().values(next_check_at=FAR_AHEAD))
    return ids


def due_in_a_year(uow: UnitOfWork) -> list[int]:
    with uow() as tx:
        query = select(pilots.c.id).where(pilots.c.next_check_at == FAR_AHEAD)
        return list(tx.execute(query).scalars())


def test_what_is_due_in_a_year_is_due_now(uow: UnitOfWork) -> None:
    due_far_ahead(uow)
    with uow() as tx:
        clock_set_back.clamp(tx, NOW)
    assert due_in_a_year(uow) == []


def test_a_pilot_that_somebody_writes_is_left_until_the_next_time(
    postgresql_database: Database,
) -> None:
    uow = postgresql_database.uow
    pilot_id, _ = due_far_ahead(uow)
    with postgresql_database.engine.begin() as other:
        other.execute(select(pilots.c.id).where(pilots.c.id == pilot_id).with_for_update())
        with uow() as tx:
            tx.execute(text("SET LOCAL lock_timeout = '2s'"))
            clock_set_back.clamp(tx, NOW)
        assert due_in_a_year(uow) == [pilot_id]
    with uow() as tx:
        clock_set_back.clamp(tx, NOW)
    assert due_in_a_year(uow) == []


@pytest.mark.parametrize("statement", clock_set_back.statements())
def test_no_final_pilot_is_read(postgresql_database: Database, statement: object) -> None:
    with postgresql_database.uow() as tx:
        tx.execute(text("SET LOCAL enable_seqscan = off"))
        sql = str(statement.compile(dialect=postgresql_database.engine.dialect))  # type: ignore[attr-defined]
        for name in ("now", "limit"):
            sql = sql.replace(f"%({name})s", f"'{NOW.isoformat()}'")
        plan = "\n".join(row[0] for row in tx.execute(text(f"EXPLAIN {sql}")))
    assert "Seq Scan on pilots" not in plan
    assert "Seq Scan on transitions" not in plan
