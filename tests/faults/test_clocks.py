"""The clock of the database is set ahead by a year while workers work, and set back again."""

import psycopg
import pytest
from sqlalchemy import text

from tests.acceptance.processes import CELERY
from tests.chaos.conftest import Make
from tests.chaos.ending import begin, rows
from tests.chaos.making import Shape
from tests.chaos.world import World
from tests.faults.trial import EVERY, crew, ends_well, says, works_again
from worker.domain.pilot import Status

pytestmark = pytest.mark.postgresql

OWN_CLOCK = """
CREATE SCHEMA own;
CREATE TABLE own.clock AS SELECT interval '0' AS ahead;
CREATE FUNCTION own.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
'SELECT pg_catalog.clock_timestamp() + ahead FROM own.clock';
CREATE RULE keep AS ON DELETE TO sim_jobs DO INSTEAD NOTHING;
"""
"""A clock that can be set. The CEs keep all their jobs, so that the test can compare them."""
FIRST = "ALTER DATABASE {} SET search_path = own, pg_catalog, public"
SET = "UPDATE own.clock SET ahead = interval '{}'"
CE_IS_RIGHT = """
CREATE FUNCTION own.right_time(moment timestamptz) RETURNS timestamptz LANGUAGE sql AS $$
SELECT moment - CASE WHEN moment > now() + interval '1 day' THEN interval '1 year' ELSE '0' END
$$;
CREATE FUNCTION own.right_times() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    NEW.visible_at = own.right_time(NEW.visible_at);
    NEW.starts_at = own.right_time(NEW.starts_at);
    NEW.ends_at = own.right_time(NEW.ends_at);
    RETURN NEW;
END $$;
CREATE TRIGGER right_times BEFORE INSERT OR UPDATE ON sim_jobs
FOR EACH ROW EXECUTE FUNCTION own.right_times();
UPDATE sim_jobs SET visible_at = visible_at;
"""
"""The simulated CEs use the clock of the process that calls them. Without this their jobs would run
for a year, also those of a process that has not looked at the clock again yet."""


def do(world: World, script: str) -> None:
    with psycopg.connect(world.postgresql.dsn, autocommit=True) as connection:
        connection.execute(script.encode())


def stamps_at_ce(world: World) -> set[str]:
    """Return the stamps of all jobs that the simulated CEs have ever had."""
    with world.database.uow() as tx:
        return set(tx.execute(text("SELECT stamp FROM sim_jobs")).scalars())


def with_a_clock_of_its_own(make: Make) -> World:
    """Make a site whose processes look at the clock of the database, which can be set."""
    world = make(Shape(ce="small", members=crew(), schedules={**EVERY, "prune": 2}))
    do(world, OWN_CLOCK)
    do(world, FIRST.format(world.postgresql.url.database))
    for member in world.fleet.members:
        rest = member.words[len(world.site.celery) :]
        member.words = [CELERY[0], "-m", "tests.faults.hasty", *rest]
    begin(world)
    return world


def test_a_clock_that_is_set_by_a_year_loses_and_deletes_nothing(make: Make) -> None:
    world = with_a_clock_of_its_own(make)
    assert world.reaches(lambda: any(row.status == Status.DONE for row in rows(world.database)))
    before = {row.stamp for row in rows(world.database)}
    do(world, SET.format("1 year"))
    says(world, "nothing is deleted yet")
    works_again(world)
    do(world, SET.format("0") + ";" + CE_IS_RIGHT)
    says(world, "the clock was set back")
    works_again(world)

    ends_well(world)
    after = rows(world.database)
    assert before <= {row.stamp for row in after}
    # A job may never arrive if the clock jumped during its call: its pilot is rightly lost.
    jobs = stamps_at_ce(world)
    assert not [row for row in after if row.status == Status.LOST and row.stamp in jobs]
