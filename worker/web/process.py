"""One process of the server: its application, and how it ends."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import FrameType

from fastapi import FastAPI

from worker import wiring
from worker.web.app import make_app
from worker.web.issuer import Issuer, client_of
from worker.web.server import set_up_log

LOOK_AT_LEVEL = 5
"""Seconds after which the process looks whether the level of its log is another."""


@asynccontextmanager
async def _streams_end_first(app: FastAPI) -> AsyncIterator[None]:
    """End the streams of events when the process is asked to end: they would never end."""
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def end(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(app.state.stopping.set)
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    for number in before:
        signal.signal(number, end)
    following = asyncio.create_task(_follow_log_level())
    yield
    following.cancel()


async def _follow_log_level() -> None:
    while True:
        wiring.follow_log_level()
        await asyncio.sleep(LOOK_AT_LEVEL)


def app() -> FastAPI:
    """Make the application from the settings; each process makes its own."""
    set_up_log()
    settings = wiring.settings()
    client = client_of(settings)
    return make_app(
        wiring.runtime(),
        prefix=settings.web_prefix,
        checks={"schema": wiring.current_database, "broker": wiring.check_broker},
        issuer=None if client is None else Issuer(client),
        lifespan=_streams_end_first,
    )
