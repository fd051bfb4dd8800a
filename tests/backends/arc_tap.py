"""A tap on the line between a driver and a CE.

Usually it copies bytes: TLS is between the two, and the CE checks the credential. To make trouble
it ends TLS itself and speaks to the CE as one user, so that it can change requests and answers.
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
class Request:
    """A request on its way to the CE."""

    method: str
    path: str
    body: bytes

    def is_about(self, action: str) -> bool:
        return f"/jobs?action={action}" in self.path


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer on its way back; if it is cut, only half of it arrives."""

    status: int
    headers: dict[str, str]
    body: bytes
    reason: str | None = None
    cut: bool = False
    is_lost: bool = False


class Trouble:
    """The changes of the tap to requests and answers: here none."""

    def change_request(self, request: Request) -> Request | Answer:
        """Return the request for the CE, or an answer without the CE."""
        return request

    def change_answer(self, request: Request, answer: Answer) -> Answer:
        """Return the answer for the driver."""
        return answer


class Tap:
    """A tap that listens on its own port while the block runs."""

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
        self.requests: list[Request] = []
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
        """Stop listening, and cut all connections."""
        self.over.set()
        # A listener closes only when the thread that waits for it wakes up.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for line in list(self._open):
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def up(self) -> None:
        """Listen again on the same port."""
        self.over = threading.Event()
        self._listener = self._listen(self.port)

    def client(self) -> httpx.Client:
        """Return a client of the CE itself, as the user of this tap."""
        context = ssl.create_default_context(cafile=self._testbed.ca)
        context.load_cert_chain(self._proxy)
        return httpx.Client(verify=context, trust_env=False, timeout=60)

    def address(self, path: str) -> str:
        """Return an address at the CE itself."""
        return f"https://localhost:{self._target[1]}{path}"

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port), reuse_port=True)
        self._start_thread(self._accept, listener)
        return listener

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                line, _ = listener.accept()
                self._open.add(line)
                self._start_thread(self._serve, line)

    def _serve(self, line: socket.socket) -> None:
        # If the CE does not answer in time, the driver must notice it.
        with line, suppress(OSError, httpx.HTTPError):
            if self.trouble is None:
                self._hand_on(line)
            else:
                with self._context.wrap_socket(line, server_side=True) as stream:
                    _Handler(self, stream)
        self._open.discard(line)

    def _hand_on(self, line: socket.socket) -> None:
        with socket.create_connection(self._target) as other:
            self._open.add(other)
            back = self._start_thread(_copy, other, line)
            _copy(line, other)
            back.join(10)
        self._open.discard(other)

    def _start_thread(self, work: Callable[..., None], *arguments: Any) -> threading.Thread:
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
        request = Request(method=self.command, path=self.path, body=body)
        self.tap.requests.append(request)
        change = trouble.change_request(request)
        answer = change if isinstance(change, Answer) else self._forward(change)
        answer = trouble.change_answer(request, answer)
        if answer.is_lost:
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

    def _forward(self, request: Request) -> Answer:
        names = ("Content-Type", "Accept", "Range")
        headers = {name: self.headers[name] for name in names if name in self.headers}
        address = self.tap.address(request.path)
        reply = self.ce.request(request.method, address, content=request.body, headers=headers)
        names = ("content-type", "content-range", "location")
        headers = {name: reply.headers[name] for name in names if name in reply.headers}
        return Answer(status=reply.status_code, headers=headers, body=reply.content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the library names it
        pass
