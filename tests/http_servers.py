"""Servers of HTTP in a thread of the test, which end as soon as they are asked to."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import HTTPServer

from tests.patience import wait_for

BETWEEN_LOOKS = 0.01
"""Seconds until a server sees that it has to end; the default is half a second."""


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
