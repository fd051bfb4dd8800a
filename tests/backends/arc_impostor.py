"""A server that speaks like an ARC CE; a test chooses its answers. It runs no job."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509

from tests.testbeds.arc.pki import Authority, write_secret
from worker.backends import registry
from worker.backends.contract import Means
from worker.backends.guard import Guard
from worker.db.uow import UnitOfWork
from worker.domain.ce import CE

Answer = Callable[[BaseHTTPRequestHandler], None]


def as_json(value: object, status: int = 200) -> Answer:
    """Return a handler that answers with this value as JSON."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        body = json.dumps(value).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@dataclass
class Impostor:
    """The handlers, by a part of the path of a request; the last one that fits is used."""

    authority: Authority
    folder: Path
    port: int = 0
    answers: dict[str, Answer] = field(default_factory=dict)
    hang_up: Callable[[], None] = lambda: None
    """Stop listening."""

    @property
    def certificate(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate((self.authority.folder / "host.pem").read_bytes())

    def connect(self, uow: UnitOfWork, **options: Any) -> Guard:
        """Return a driver that speaks to this server."""
        options = {
            "url": f"https://localhost:{self.port}",
            "ca": str(self.authority.certificates),
            "delegate": False,
            **options,
        }
        proxy = write_secret(self.folder / "proxy.pem", self.authority.holder("Us").proxy())
        ce = CE(name="ce1", backend="arc", capacity=10, options=options)
        means = Means(
            uow=uow,
            home=self.folder,
            now=lambda: datetime.now(UTC),
            credentials=lambda _: {"default": proxy},
        )
        return registry.connect(registry.discover(), ce, means)


@contextmanager
def impostor(folder: Path) -> Iterator[Impostor]:
    """Run such a server on this host while the block runs."""
    ce = Impostor(Authority.make(folder / "authority"), folder)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            self.rfile.read(length)
            answers = {"/rest": as_json({"version": ["1.1"]}), **ce.answers}
            answer = next(one for word, one in [*answers.items()][::-1] if word in self.path)
            with suppress(OSError):
                answer(self)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Log nothing: a client that does not trust the server goes away."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ce.authority.folder / "host.pem", ce.authority.folder / "host.key")
    with Server(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        ce.port, ce.hang_up = server.server_port, server.socket.close
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield ce
        finally:
            server.shutdown()
            thread.join()
