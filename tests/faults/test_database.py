"""The database is missing or refuses connections while processes work on it."""

import psycopg
import pytest

from tests.chaos.conftest import Make
from tests.chaos.ending import begin
from tests.chaos.world import World
from tests.faults.trial import ends_well, says, set_database, site, working, works_again
from tests.integration.commits import watch
from worker.db import server
from worker.services.operate import database as care

pytestmark = pytest.mark.postgresql


def do(world: World, *statements: str) -> None:
    """Execute statements as the owner of the server."""
    with psycopg.connect(world.postgresql.dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def test_a_database_that_is_dropped_is_named_and_used_again_when_it_is_made_anew(
    make: Make,
) -> None:
    world = working(make)
    world.pulse.close()
    world.database.engine.dispose()
    server.drop(world.postgresql.url, force=True)
    says(world, "no tick: The database cannot be reached", "does not exist")
    care.setup(world.database)
    watch(world.database.engine)
    world.site.build(world.database)

    works_again(world)
    ends_well(world)


def test_a_server_that_takes_no_more_connections_is_waited_for(make: Make) -> None:
    world = site(make)
    do(
        world,
        "CREATE ROLE guest LOGIN PASSWORD 'guest-of-this-test'",
        "GRANT pg_read_all_data, pg_write_all_data TO guest",
        "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO guest",
    )
    set_database(world, world.postgresql.url.set(username="guest", password="guest-of-this-test"))
    begin(world)
    do(
        world,
        "ALTER ROLE guest CONNECTION LIMIT 1",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'guest'",
    )
    says(world, 'too many connections for role "guest"')
    do(world, "ALTER ROLE guest CONNECTION LIMIT -1")

    works_again(world)
    ends_well(world)
