"""The server in a thread of the test: a real socket, on the database and the clock of the test."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from tests.patience import until, wait_for


@contextmanager
def listening(app: FastAPI) -> Iterator[str]:
    """Serve an application as long as the block lasts; its address is given."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, lifespan="off", log_config=None, ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [place]}, name="server")
        thread.start()
        try:
            until(lambda: server.started, "the server")
            yield f"http://127.0.0.1:{place.getsockname()[1]}"
        finally:
            app.state.stopping.set()
            server.should_exit = True
            wait_for(thread)
