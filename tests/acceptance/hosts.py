"""Two hosts: network namespaces with a cable between them, and the servers on the first."""

import os
import pwd
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from sqlalchemy import URL

from tests import guardian, redis_server
from tests.databases import backend_chains
from tests.redis_server import Redis, is_ready, settings, started
from tests.servers import DEFAULT_DATABASE, binaries, wheel
from worker.db.database import Database
from worker.services.operate import database as care

FIRST, SECOND = "10.213.7.1", "10.213.7.2"
PORTS = {"postgresql": 5432, "redis": 6379}


@dataclass(frozen=True)
class Hosts:
    """Two namespaces and the cable between them."""

    first: str
    second: str
    cable: str

    def on(self, namespace: str) -> list[str]:
        """Return the words that run a command on a host."""
        return ["ip", "netns", "exec", namespace]

    def set_link(self, state: str) -> None:
        """Pull the cable, or plug it in again."""
        _ip("-n", self.second, "link", "set", self.cable + "b", state)


@contextmanager
def two_hosts() -> Iterator[Hosts]:
    """Make two namespaces, or raise an error that says why not."""
    if os.geteuid() != 0:
        raise LookupError("only root may make network namespaces")
    if shutil.which("ip") is None:
        raise LookupError("iproute2 is not installed")
    tag = uuid4().hex[:6]
    hosts = Hosts(f"pilotage-{tag}-a", f"pilotage-{tag}-b", f"plt{tag}")
    try:
        for namespace in (hosts.first, hosts.second):
            _ip("netns", "add", namespace)
            _ip("-n", namespace, "link", "set", "lo", "up")
        ends = [hosts.cable + end for end in "ab"]
        _ip("link", "add", ends[0], "netns", hosts.first, "type", "veth", "peer", "name",
            ends[1], "netns", hosts.second)  # fmt: skip
        for namespace, end, address in zip(
            (hosts.first, hosts.second), ends, (FIRST, SECOND), strict=True
        ):
            _ip("-n", namespace, "address", "add", f"{address}/24", "dev", end)
            _ip("-n", namespace, "link", "set", end, "up")
        yield hosts
    finally:
        for namespace in (hosts.first, hosts.second):
            subprocess.run(["ip", "netns", "delete", namespace], check=False, capture_output=True)


@dataclass(frozen=True)
class Servers:
    """PostgreSQL and Redis on the first host: the URLs for the hosts, the database for the test."""

    database: Database
    database_url: str
    broker_url: str


@contextmanager
def servers_on_the_first(hosts: Hosts, session: Path, folder: Path) -> Iterator[Servers]:
    """Run both servers while the block runs. The test reaches PostgreSQL by its socket."""
    places = [*binaries(), *wheel()]
    if not places:
        raise LookupError("no PostgreSQL server is installed")
    place = session / f"host-{uuid4().hex[:6]}"
    place.mkdir(mode=0o711)
    try:
        with _postgresql(hosts, places[0], place) as url, _redis(hosts, folder) as broker:
            database = Database(url.set(host=str(place / "data")), backend_chains())
            care.setup(database)
            yield Servers(database, url.render_as_string(hide_password=False), broker)
            database.engine.dispose()
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _postgresql(hosts: Hosts, source: Path, place: Path) -> Iterator[URL]:
    programs = guardian.reachable(source, place)
    data, password = place / "data", secrets.token_urlsafe(16)
    data.mkdir(mode=0o700)
    user = guardian.server_user() or "postgres"
    shutil.chown(data, user)
    (place / "password").touch(mode=0o600)
    (place / "password").write_text(password, encoding="utf-8")
    guardian.make_cluster(programs, data, place / "password")
    with (data / "pg_hba.conf").open("a", encoding="utf-8") as rules:
        rules.write(f"host all all {FIRST}/24 scram-sha-256\n")
    options = {
        **guardian.SETTINGS,
        "listen_addresses": FIRST,
        "port": str(PORTS["postgresql"]),
        "unix_socket_directories": str(data),
    }
    entry = pwd.getpwnam(user)
    as_user = ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]
    words = [word for key, value in options.items() for word in ("-c", f"{key}={value}")]
    command = [
        *hosts.on(hosts.first),
        *as_user,
        str(programs / "postgres"),
        "-D",
        str(data),
        *words,
    ]
    with started(command, place / "log") as server:
        if not guardian.is_ready(server, data):
            raise LookupError(f"PostgreSQL did not start: {(place / 'log').read_text()[-300:]}")
        yield URL.create(
            "postgresql+psycopg", "postgres", password, FIRST, PORTS["postgresql"], DEFAULT_DATABASE
        )
        # The server must stop although a session of the host that was cut off may be open.
        guardian.stop(server)


@contextmanager
def _redis(hosts: Hosts, folder: Path) -> Iterator[str]:
    binary = next(filter(None, map(shutil.which, redis_server.BINARIES)), None)
    if binary is None:
        raise LookupError(redis_server.NO_BINARY)
    password, port = secrets.token_urlsafe(16), PORTS["redis"]
    socket = folder / "redis.sock"
    words = [binary, *settings(folder, port, password, bind=FIRST), "--unixsocket", str(socket)]
    with started([*hosts.on(hosts.first), *words], folder / "redis.log") as server:
        if not is_ready(Redis(url=f"unix://:{password}@{socket}", how=binary), server):
            raise LookupError(f"Redis did not start: {(folder / 'redis.log').read_text()[-300:]}")
        yield f"redis://:{password}@{FIRST}:{port}/0"


def _ip(*words: str) -> None:
    result = subprocess.run(["ip", *words], check=False, capture_output=True, text=True)
    if result.returncode:
        raise LookupError(f"ip {' '.join(words)}: {result.stderr.strip()}")
