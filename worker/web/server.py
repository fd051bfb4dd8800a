"""The server: it listens, starts its processes, and lets requests finish when it is to end.

It imports nothing of the application: that is for its processes, which all do so at once.
"""

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

import uvicorn

from worker import logs
from worker.settings import Settings, load

LAST_REQUESTS = 20
"""Seconds for which requests may go on after the process was asked to end."""

LONGEST_START = 120
"""Seconds in which one of several processes must answer the first of them, also while it starts."""

MOST_REQUESTS = 1000
"""Requests and streams that one process has at a time; more are refused."""


def main(arguments: Sequence[str] = ()) -> None:
    """Serve until the process is asked to end."""
    if arguments[:1] == ["--logfile"]:
        os.environ["PILOTAGE_WEB_LOG"] = arguments[1]
    settings = load(os.environ)
    set_up_log(settings)
    # Once all is done uvicorn sends itself the signal again, for whoever had a handler before.
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    uvicorn.run(
        "worker.web.process:app",
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


def set_up_log(settings: Settings) -> None:
    """Log where the settings say."""
    file = settings.web_log
    logs.set_up(settings, file=None if file is None else str(file))


def _leave(number: int, frame: FrameType | None) -> None:
    """Leave as after all was done: to be asked to end is no error."""
    sys.exit(0)
