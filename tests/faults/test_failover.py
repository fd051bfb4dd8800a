"""The primary of PostgreSQL is gone for good; its replica is promoted and used instead."""

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests import guardian
from tests.chaos.conftest import Make
from tests.chaos.ending import begin
from tests.chaos.servers import Postgresql, popen
from tests.chaos.world import World
from tests.databases import backend_chains
from tests.faults.trial import ends_well, output, says, set_database, site, works_again
from tests.patience import until
from tests.redis_server import free_port
from worker.db.database import Database

pytestmark = pytest.mark.postgresql


class Replica(Postgresql):
    """A server that follows another one."""

    def __init__(self, folder: Path, primary: Postgresql) -> None:
        copier = primary._binaries / "pg_basebackup"
        if not copier.exists():
            raise LookupError("needs the program pg_basebackup")
        folder.mkdir(mode=0o711)
        self.log, self._data, self._binaries = folder / "log", folder / "data", primary._binaries
        self.url = primary.url.set(port=free_port())
        self.dsn = self.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._server = None
        self._data.mkdir(mode=0o700)
        if (user := guardian.server_user()) is not None:
            shutil.chown(self._data, user)
        words = [str(copier), "-D", str(self._data), "-R", "-X", "stream", "-c", "fast"]
        copier_process = popen([*words, "--no-sync", "-d", primary.dsn], subprocess.PIPE, user)
        output, _ = copier_process.communicate()
        assert copier_process.returncode == 0, output


@contextmanager
def replica_of(primary: Postgresql, folder: Path) -> Iterator[Replica]:
    """Start a replica without which the primary commits nothing."""
    try:
        replica = Replica(folder, primary)
    except LookupError as problem:
        pytest.skip(str(problem))
    try:
        replica.start()
        with psycopg.connect(primary.dsn, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            connection.execute("SELECT pg_reload_conf()")

            def follows() -> bool:
                states = connection.execute("SELECT sync_state FROM pg_stat_replication")
                return [state for (state,) in states] == ["sync"]

            until(follows, "the replica to follow the primary")
        yield replica
    finally:
        replica.end()


def use(world: World, replica: Replica) -> None:
    """Let the test itself use the replica."""
    world.pulse.close()
    world.pulse.dsn = replica.dsn
    world.database.engine.dispose()
    world.database = Database(replica.url, backend_chains())
    world.site = type(world.site)(world.home, world.home, world.database)  # type: ignore[call-arg]
    world.postgresql = replica


def test_a_replica_that_is_promoted_is_used_and_nothing_is_lost(make: Make) -> None:
    world = site(make)
    primary = world.postgresql
    with replica_of(primary, world.home.parent / "replica") as replica:
        url = primary.url.render_as_string(hide_password=False)
        both = f"127.0.0.1:{primary.url.port},127.0.0.1:{replica.url.port}"
        set_database(world, url.replace(f"127.0.0.1:{primary.url.port}", both))
        begin(world)
        primary.stop(signal.SIGKILL)
        says(world, "no tick: The database cannot be reached")
        with psycopg.connect(replica.dsn, autocommit=True) as connection:
            connection.execute("SELECT pg_promote()")
        use(world, replica)

        works_again(world)
        assert f"postgresql://postgres:***@{both}/" in output(world)
        ends_well(world)
        world.database.engine.dispose()
        world.pulse.close()
