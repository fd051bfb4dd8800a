"""The server in a thread of the test: a real socket, on the database and the clock of the test."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from tests.patience import until, wait_for

BETWEEN_LOOKS = 0.01
"""Seconds between two looks at whether the server has to end."""


class _Prompt(uvicorn.Server):
    """A server that ends at once: uvicorn itself looks ten times a second only."""

    async def main_loop(self) -> None:
        while not await self.on_tick(0):
            await asyncio.sleep(BETWEEN_LOOKS)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for place in sockets or []:
            place.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        while self.server_state.connections or self.server_state.tasks:
            await asyncio.sleep(BETWEEN_LOOKS)


@contextmanager
def listening(app: FastAPI) -> Iterator[str]:
    """Serve an application as long as the block lasts; yield its address."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, lifespan="off", log_config=None, ws="none")
        server = _Prompt(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [place]}, name="server")
        thread.start()
        try:
            until(lambda: server.started, "the server")
            yield f"http://127.0.0.1:{place.getsockname()[1]}"
        finally:
            app.state.stopping.set()
            server.should_exit = True
            wait_for(thread)
