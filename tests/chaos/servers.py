"""PostgreSQL and Redis of a run's own; they can be stopped and started again on their ports."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import redis
from sqlalchemy import URL

from tests import guardian, redis_server
from tests.redis_server import free_port
from tests.servers import DEFAULT_DATABASE, binaries, wheel
from tests.testbeds.keeper import die_with_parent

SETTINGS = {
    **guardian.SETTINGS,
    # As in production, committed data outlives a crash.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "autovacuum": "on",
    # The server logs every wait for a lock that is longer than this.
    "log_lock_waits": "on",
    "deadlock_timeout": "1s",
}
PATIENCE = 180.0


class Postgresql:
    """A durable server, which can be stopped in each way there is and started again."""

    def __init__(self, folder: Path) -> None:
        places = [*binaries(), *wheel()]
        if not places:
            raise LookupError("needs the service PostgreSQL: no server is installed")
        folder.mkdir(mode=0o711)
        self.log = folder / "log"
        self._data, password = folder / "data", secrets.token_urlsafe(16)
        self._binaries = guardian.reachable(places[0], folder)
        self._data.mkdir(mode=0o700)
        if (user := guardian.server_user()) is not None:
            shutil.chown(self._data, user)
        (folder / "password").touch(mode=0o600)
        (folder / "password").write_text(password, encoding="utf-8")
        guardian.make_cluster(self._binaries, self._data, folder / "password")
        self.url = URL.create(
            "postgresql+psycopg", "postgres", password, "127.0.0.1", free_port(), DEFAULT_DATABASE
        )
        self.dsn = self.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Serve; after a crash this waits until the last process of the former server is gone."""
        give_up = time.monotonic() + PATIENCE
        while time.monotonic() < give_up:
            self._server = self._begin()
            while self._server.poll() is None and time.monotonic() < give_up:
                if self._is_ready(self._server.pid):
                    return
                time.sleep(0.02)
            time.sleep(0.2)
        raise LookupError(f"PostgreSQL did not start: {self._last_words()}")

    def stop(self, how: signal.Signals) -> None:
        """Stop it: SIGINT in order, SIGQUIT at once, SIGKILL without a word."""
        if self._server is not None:
            self._server.send_signal(how)
            self._server.wait(PATIENCE)
            self._server = None

    def end(self) -> None:
        """Stop it for good."""
        self.stop(signal.SIGINT)

    def _begin(self) -> "subprocess.Popen[bytes]":
        options = {
            **SETTINGS,
            "port": str(self.url.port),
            "unix_socket_directories": str(self._data),
        }
        words = [word for key, value in options.items() for word in ("-c", f"{key}={value}")]
        with self.log.open("ab") as log:
            words = [str(self._binaries / "postgres"), "-D", str(self._data), *words]
            return popen(words, log.fileno(), guardian.server_user())

    def _is_ready(self, pid: int) -> bool:
        """Return whether this server is ready: after a crash the file is that of the last one."""
        with suppress(OSError, IndexError):
            lines = (self._data / "postmaster.pid").read_text().splitlines()
            return lines[0] == str(pid) and lines[-1].strip() == "ready"
        return False

    def _last_words(self) -> str:
        return self.log.read_text(errors="replace")[-500:]


class Redis:
    """A server that keeps nothing, as the broker of production does."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder, self._port = folder, free_port()
        password = secrets.token_urlsafe(16)
        binary = next(filter(None, map(shutil.which, redis_server.BINARIES)), None)
        if binary is None:
            raise LookupError(f"needs the service Redis: {redis_server.NO_BINARY}")
        self._words = [binary, *redis_server.settings(folder, self._port, password)]
        self.url = f"redis://:{password}@127.0.0.1:{self._port}/0"
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Serve."""
        with (self._folder / "log").open("ab") as log:
            self._server = popen(self._words, log.fileno())
        address = redis_server.Redis(url=self.url, how="binary")
        if not redis_server.is_ready(address, self._server):
            raise LookupError("Redis did not start")

    def stop(self, how: signal.Signals) -> None:
        """Stop it, with all its messages."""
        if self._server is not None:
            self._server.send_signal(how)
            self._server.wait(PATIENCE)
            self._server = None

    def end(self) -> None:
        """Stop it for good."""
        self.stop(signal.SIGTERM)

    def flush(self) -> None:
        """Delete all messages."""
        with redis.Redis.from_url(self.url, socket_timeout=5, socket_connect_timeout=5) as client:
            client.flushall()


def popen(words: Sequence[str], output: int, user: str | None = None) -> "subprocess.Popen[bytes]":
    """Start a server that ends with this process, as another user where one is named."""
    return subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd="/",
        env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
        user=user,
        group=None if user is None else pwd.getpwnam(user).pw_gid,
        extra_groups=None if user is None else [],
        preexec_fn=die_with_parent,  # noqa: PLW1509 - it only asks the kernel
    )
