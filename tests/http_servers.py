"""Servers of HTTP in a thread of the test, which end as soon as they are asked to."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer

import pytest

from tests.patience import wait_for

BETWEEN_LOOKS = 0.01
"""Seconds until a server sees that it has to end; the default is half a second."""


def has_ipv6() -> bool:
    """Return whether this host has the loopback address of IPv6."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@contextmanager
def served(server: HTTPServer) -> Iterator[str]:
    """Serve as long as the block lasts; yield the address."""
    thread = threading.Thread(target=server.serve_forever, args=(BETWEEN_LOOKS,), name="server")
    with server:
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            wait_for(thread)


@contextmanager
def proxy_of_the_environment(patch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Name a proxy in the environment as a grid site does; yield the requests that it gets."""
    requests: list[str] = []

    class Proxy(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            requests.append(self.rfile.readline().decode())
            self.close_connection = True

    with served(ThreadingHTTPServer(("127.0.0.1", 0), Proxy)) as address:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            patch.setenv(name, address)
        for name in ("no_proxy", "NO_PROXY"):
            patch.delenv(name, raising=False)
        yield requests
