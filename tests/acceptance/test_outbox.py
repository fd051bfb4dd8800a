"""A process is killed while it sends an event: the event comes again with the same id."""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.acceptance.processes import PILOTAGE, Processes, ended, settings_of
from tests.patience import until
from tests.secrets import write

pytestmark = pytest.mark.processes
SEND = (*PILOTAGE, "task", "run", "webhook")


class Receiver:
    """A receiver of events, which kills the sender of the first one before it answers."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.sender: subprocess.Popen[bytes] | None = None
        self.is_known = threading.Event()
        self.url = ""

    def take(self, body: bytes) -> None:
        self.ids.append(json.loads(body)["id"])
        if len(self.ids) == 1:
            self.is_known.wait()
            assert self.sender is not None
            os.kill(self.sender.pid, signal.SIGKILL)


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_port}/"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield receiver
        finally:
            receiver.is_known.set()
            server.shutdown()
            thread.join()


def test_events_survive_who_sends_them(processes: Processes, tmp_path: Path) -> None:
    with receiving() as receiver:
        settings = settings_of(
            {
                "home": str(tmp_path / "home"),
                "webhook_url": receiver.url,
                "webhook_secret_file": str(write(tmp_path / "secret", "sesame-" * 6)),
                "time_limit": "2",
            }
        )

        def pilotage(*words: str) -> "subprocess.CompletedProcess[str]":
            return processes.run([*PILOTAGE, *words], settings)

        for words in (
            ("db", "setup"),
            ("ce", "add", "fir", "--backend", "sim", "--capacity", "2"),
            ("ce", "pause", "fir", "--reason", "new disks"),
            ("ce", "resume", "fir"),
        ):
            result = pilotage(*words)
            assert result.returncode == 0, result.stderr
        receiver.sender = processes.start("sender", SEND, settings)
        receiver.is_known.set()
        assert ended(receiver.sender) == -signal.SIGKILL

        def have_all_come() -> bool:
            # Until the lease of the killed process ends, others do nothing.
            assert pilotage("task", "run", "webhook").returncode == 0
            return len(receiver.ids) == 3

        until(have_all_come, "both events, the first of them twice")
        first, *later = receiver.ids
        assert later[0] == first
        assert later[1] != first
        assert pilotage("task", "run", "webhook").returncode == 0
        assert len(receiver.ids) == 3, "an event that was accepted is not sent again"
