"""The process of the server: it listens, and when it is asked to end it lets requests finish."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import FrameType

import uvicorn
from fastapi import FastAPI

from worker import wiring
from worker.web.app import make_app
from worker.web.issuer import Issuer, client_of

LAST_REQUESTS = 20
"""Seconds for which requests may go on after the process was asked to end."""

LONGEST_START = 120
"""Seconds in which one of several processes must answer the first of them, also while it starts."""

MOST_REQUESTS = 1000
"""Requests and streams that one process has at a time; more are refused."""


LOOK_AT_LEVEL = 5
"""Seconds after which the server looks whether the level of its log is another."""


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
    _log()
    settings = wiring.settings()
    client = client_of(settings)
    return make_app(
        wiring.runtime(),
        prefix=settings.web_prefix,
        checks={"schema": wiring.current_database, "broker": wiring.check_broker},
        issuer=None if client is None else Issuer(client),
        lifespan=_streams_end_first,
    )


def main(arguments: Sequence[str] = ()) -> None:
    """Serve until the process is asked to end."""
    if arguments[:1] == ["--logfile"]:
        os.environ["PILOTAGE_WEB_LOG"] = arguments[1]
    _log()
    settings = wiring.settings()
    # Once all is done uvicorn sends itself the signal again, for whoever had a handler before.
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    uvicorn.run(
        "worker.web.server:app",
        factory=True,
        host=settings.web_address,
        port=settings.web_port,
        workers=settings.web_processes,
        forwarded_allow_ips=settings.web_proxies,
        timeout_graceful_shutdown=LAST_REQUESTS,
        timeout_worker_healthcheck=LONGEST_START,
        limit_concurrency=MOST_REQUESTS,
        log_config=None,
        server_header=False,
        access_log=False,
    )


def _log() -> None:
    file = wiring.settings().web_log
    wiring.set_up_logging(file=None if file is None else str(file))


def _leave(number: int, frame: FrameType | None) -> None:
    """Leave as after all was done: to be asked to end is no error."""
    sys.exit(0)
