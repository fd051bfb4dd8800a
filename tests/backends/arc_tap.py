"""A tap on the line between a driver and a CE.

As a rule it hands on bytes, so TLS is between the two, and the credential is judged by the CE. In
trouble it ends TLS itself, and speaks to the CE as one user; then it can change what is said.
"""

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx

from tests.testbeds.arc.service import Testbed


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request on its way to the CE."""

    method: str
    path: str
    body: bytes

    def is_about(self, action: str) -> bool:
        return f"/jobs?action={action}" in self.path


@dataclass(frozen=True, kw_only=True)
class Answered:
    """An answer on its way back; of one that is cut only half arrives."""

    status: int
    headers: dict[str, str]
    body: bytes
    reason: str | None = None
    cut: bool = False
    lost: bool = False


class Trouble:
    """What the tap does to requests and answers: nothing."""

    def asked(self, asked: Asked) -> Asked | Answered:
        """Change a request, or answer it without the CE."""
        return asked

    def answered(self, asked: Asked, answer: Answered) -> Answered:
        """Change an answer."""
        return answer


class Tap:
    """Listens on a port of its own for as long as the block."""

    def __init__(self, testbed: Testbed, proxy: Path) -> None:
        self._testbed = testbed
        self._proxy = proxy
        self._target = ("127.0.0.1", int(testbed.url.rpartition(":")[2].partition("/")[0]))
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        pki = Path(testbed.folder) / "pki"
        self._context.load_cert_chain(pki / "host.pem", pki / "host.key")
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        self.trouble: Trouble | None = None
        self.requests: list[Asked] = []
        self.over = threading.Event()
        self._listener = self._listen(0)
        self.port = int(self._listener.getsockname()[1])

    def __enter__(self) -> "Tap":
        return self

    def __exit__(self, *_: object) -> None:
        self.down()
        for thread in self._threads:
            thread.join(10)

    def down(self) -> None:
        """Be not there."""
        self.over.set()
        # A listener that another thread waits on is not gone before it is woken.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for line in list(self._open):
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def up(self) -> None:
        """Be there again, where it was."""
        self.over = threading.Event()
        self._listener = self._listen(self.port)

    def client(self) -> httpx.Client:
        """Make a client of the CE itself, as the user of this tap."""
        context = ssl.create_default_context(cafile=self._testbed.ca)
        context.load_cert_chain(self._proxy)
        return httpx.Client(verify=context, trust_env=False, timeout=60)

    def address(self, path: str) -> str:
        """Address the CE itself."""
        return f"https://localhost:{self._target[1]}{path}"

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port), reuse_port=True)
        self._run(self._accept, listener)
        return listener

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                line, _ = listener.accept()
                self._open.add(line)
                self._run(self._serve, line)

    def _serve(self, line: socket.socket) -> None:
        # A CE that does not answer in time is for the driver to notice.
        with line, suppress(OSError, httpx.HTTPError):
            if self.trouble is None:
                self._hand_on(line)
            else:
                with self._context.wrap_socket(line, server_side=True) as spoken:
                    _Handler(self, spoken)
        self._open.discard(line)

    def _hand_on(self, line: socket.socket) -> None:
        with socket.create_connection(self._target) as other:
            self._open.add(other)
            back = self._run(_copy, other, line)
            _copy(line, other)
            back.join(10)
        self._open.discard(other)

    def _run(self, work: Callable[..., None], *arguments: Any) -> threading.Thread:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65_536):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, tap: Tap, line: ssl.SSLSocket) -> None:
        self.tap = tap
        with tap.client() as client:
            self.ce = client
            super().__init__(line, ("tap", 0), None)  # type: ignore[arg-type]

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        trouble = self.tap.trouble or Trouble()
        asked = Asked(method=self.command, path=self.path, body=body)
        self.tap.requests.append(asked)
        changed = trouble.asked(asked)
        answer = changed if isinstance(changed, Answered) else self._forward(changed)
        answer = trouble.answered(asked, answer)
        if answer.lost:
            self.close_connection = True
            return
        self.send_response(answer.status, answer.reason)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body[: len(answer.body) // 2] if answer.cut else answer.body)
        self.close_connection = self.close_connection or answer.cut

    do_GET = do_POST = do_PUT = do_HEAD = handle_any  # noqa: N815 - as the library calls them

    def _forward(self, asked: Asked) -> Answered:
        passed = ("Content-Type", "Accept", "Range")
        headers = {name: self.headers[name] for name in passed if name in self.headers}
        address = self.tap.address(asked.path)
        got = self.ce.request(asked.method, address, content=asked.body, headers=headers)
        passed = ("content-type", "content-range", "location")
        kept = {name: got.headers[name] for name in passed if name in got.headers}
        return Answered(status=got.status_code, headers=kept, body=got.content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the library names it
        pass
