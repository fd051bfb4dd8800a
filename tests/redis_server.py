"""Where the Redis server of a test comes from.

It is that of a given URL, else the machine's own binary, else fakeredis, else none. A server that
this module starts ends with the process that started it.

    python -m tests.redis_server PORT    serves fakeredis on the loopback
"""

import ctypes
import os
import secrets
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import redis

URL_VARIABLE = "PILOTAGE_TEST_REDIS_URL"
WAY_VARIABLE = "PILOTAGE_TEST_REDIS"
BINARIES = ("redis-server", "valkey-server")
NO_BINARY = f"neither {' nor '.join(BINARIES)} is on the path"
GIVEN = {name: os.environ.get(name) for name in (URL_VARIABLE, WAY_VARIABLE)}
"""The variables of the machine, read before the session scrubs the environment."""

NOTES: Path | None = None
"""The folder in which a session notes which server its tests had; the session sets it."""
NOTE = "redis.txt"

PATIENCE = 120.0
ATTEMPTS = 3


@dataclass(frozen=True, kw_only=True)
class Redis:
    """A server that runs."""

    url: str
    how: str

    def client(self) -> "redis.Redis":
        """Connect to it."""
        return redis.Redis.from_url(self.url, socket_timeout=5, socket_connect_timeout=5)


@contextmanager
def running(
    folder: Path,
    *,
    given: str | None = None,
    way: str | None = None,
    port: int | None = None,
    password: str | None = None,
) -> Iterator[Redis]:
    """Find a server, or start one on `port` or a free port, for as long as the block lasts."""
    url = given or GIVEN[URL_VARIABLE]
    way = way or GIVEN[WAY_VARIABLE]
    if url and way in (None, "url") and port is None:
        note(f"Redis: from {URL_VARIABLE}")
        yield Redis(url=url, how="url")
        return
    password = secrets.token_urlsafe(16) if password is None else password
    for _ in range(ATTEMPTS):
        at = port or free_port()
        how, words = command(folder, at, password, way)
        url = f"redis://{f':{password}@' if password else ''}127.0.0.1:{at}/0"
        with started(words, folder / "redis.log") as server:
            redis_server = Redis(url=url, how=how)
            if is_ready(redis_server, server):
                note(description(how))
                yield redis_server
                return
    raise LookupError(f"{how} did not start: {(folder / 'redis.log').read_text()[-300:]}")


@contextmanager
def real(
    folder: Path, more: Sequence[str], *, scheme: str, login: str, query: str = ""
) -> Iterator[Redis]:
    """Start the machine's own server with more settings, which fakeredis does not know."""
    binary = next(filter(None, map(shutil.which, BINARIES)), None)
    if binary is None:
        raise LookupError(NO_BINARY)
    for _ in range(ATTEMPTS):
        port = free_port()
        words = [word.format(port=port) for word in more]
        usual = ["--bind", "127.0.0.1", "--dir", str(folder), "--save", "", "--appendonly", "no"]
        with started([binary, *usual, *words], folder / "redis.log") as server:
            redis_server = Redis(url=f"{scheme}://{login}@127.0.0.1:{port}/0{query}", how=binary)
            if is_ready(redis_server, server):
                note(description(binary))
                yield redis_server
                return
    raise LookupError(f"{binary} did not start: {(folder / 'redis.log').read_text()[-300:]}")


def command(folder: Path, port: int, password: str, way: str | None) -> tuple[str, list[str]]:
    """Return how to serve, and the command; raise an error if there is no way."""
    binary = next(filter(None, map(shutil.which, BINARIES)), None)
    if binary and way in (None, "binary"):
        return binary, [binary, *settings(folder, port, password)]
    if find_spec("fakeredis") and way in (None, "fakeredis"):
        return "fakeredis", [sys.executable, "-m", "tests.redis_server", str(port)]
    instead = "is not asked for" if way == "binary" else "is not installed"
    raise LookupError(f"{NO_BINARY}, and fakeredis {instead}")


def note(line: str) -> None:
    """Note the description of a server for the last lines of the session."""
    if NOTES is not None:
        (NOTES / NOTE).write_text(line, encoding="utf-8")


def description(how: str) -> str:
    """Describe a server that was started; if it is not a real one, say why."""
    if how != "fakeredis":
        return f"Redis: from {how}"
    because = NO_BINARY if GIVEN[WAY_VARIABLE] is None else f"{WAY_VARIABLE} asks for it"
    return f"Redis: fakeredis {version('fakeredis')}, because {because}"


def settings(folder: Path, port: int, password: str, bind: str = "127.0.0.1") -> list[str]:
    """Return the settings of a server that keeps nothing."""
    values = {
        "port": str(port),
        "bind": bind,
        "requirepass": password,
        "dir": str(folder),
        "save": "",
        "appendonly": "no",
    }
    return [word for name, value in values.items() for word in (f"--{name}", value)]


def is_ready(redis_server: Redis, server: "subprocess.Popen[bytes]") -> bool:
    """Wait until the server answers, or has ended."""
    give_up = time.monotonic() + PATIENCE
    while server.poll() is None and time.monotonic() < give_up:
        try:
            with redis_server.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            time.sleep(0.02)
    return False


@contextmanager
def started(words: Sequence[str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a server for as long as the block lasts; it ends with this process at the latest."""
    with log.open("ab") as output:
        server = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=Path(__file__).parents[1],
            preexec_fn=_end_with_parent,  # noqa: PLW1509 - it only asks the kernel
        )
    try:
        yield server
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(10)


def free_port() -> int:
    """Find a free port of the loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def serve(port: int) -> None:
    """Serve fakeredis. Without TCP_NODELAY each answer would wait for the one before it."""
    fakeredis = import_module("fakeredis")
    handler = socketserver.StreamRequestHandler
    handler.disable_nagle_algorithm = True
    server = fakeredis.TcpFakeServer(("127.0.0.1", port), server_type="redis")
    server.daemon_threads = True
    server.serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
