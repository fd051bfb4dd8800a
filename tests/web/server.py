"""The server as a process of its own, on a port that nobody else can take."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.cli.command import address
from tests.patience import PATIENCE, until
from worker.db.database import Database


class Server:
    """Starts, kills and restarts the server of the API of a database."""

    def __init__(self, database: Database, home: Path, **settings: str) -> None:
        self.home, self._settings, self._database = home, settings, database
        # The socket is bound and does not listen: the system gives the port to nobody else, but a
        # server that asks for this port and may share it gets it.
        self._place = socket.socket()
        self._place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._place.bind(("127.0.0.1", 0))
        self.port: int = self._place.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.home.parent / "server.log"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "pilotage.web"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={
                    **os.environ,
                    "PILOTAGE_HOME": str(self.home),
                    "PILOTAGE_DATABASE_URL": address(self._database.url),
                    "PILOTAGE_WEB_PORT": str(self.port),
                    **self._settings,
                },
            )
        until(self.is_alive, f"the server; {self.log} says more")

    def is_alive(self) -> bool:
        """Return whether it answers; fail if it has ended."""
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        return self.answers()

    def answers(self) -> bool:
        """Return whether something answers at its port."""
        try:
            return httpx.get(f"{self.url}/health/live").is_success
        except httpx.TransportError:
            return False

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send it a signal, wait for its end, and return its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        self.process = None
        return code

    def close(self) -> None:
        if self.process is not None:
            self.end(signal.SIGKILL)
        self._place.close()


@contextmanager
def serving(database: Database, home: Path, **settings: str) -> Iterator[Server]:
    """Serve a database as long as the block lasts."""
    server = Server(database, home, **settings)
    try:
        server.start()
        yield server
    finally:
        server.close()
