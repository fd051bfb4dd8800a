"""One process of the server: its application, and its end."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import FrameType
from typing import TYPE_CHECKING

from fastapi import FastAPI

from worker import logs, wiring
from worker.settings import Settings
from worker.web.app import make_app
from worker.web.oidc_client import client_of
from worker.web.server import set_up_log

if TYPE_CHECKING:
    from worker.web.issuer import Issuer

LOOK_AT_LEVEL = 5
"""Seconds between two checks of the level of the log."""


@asynccontextmanager
async def _streams_end_first(app: FastAPI) -> AsyncIterator[None]:
    """End the event streams when the process is asked to end: they never end by themselves."""
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
        logs.follow_level()
        await asyncio.sleep(LOOK_AT_LEVEL)


def app() -> FastAPI:
    """Make the application from the settings; each process makes its own."""
    settings = wiring.settings()
    set_up_log(settings)
    return make_app(
        wiring.runtime(),
        prefix=settings.web_prefix,
        checks={"schema": wiring.current_database, "broker": wiring.check_broker},
        issuer=_issuer(settings),
        lifespan=_streams_end_first,
    )


def _issuer(settings: Settings) -> "Issuer | None":
    """Make the issuer's client. Without an issuer, the HTTP client is never imported."""
    client = client_of(settings)
    if client is None:
        return None
    from worker.web.issuer import Issuer

    return Issuer(client)
