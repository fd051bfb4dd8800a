"""The server: it listens, starts its processes, and lets requests finish when it ends.

It imports nothing of the application; its processes do that, all at the same time.
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
"""Seconds that requests may take after the process was asked to end."""

LONGEST_START = 120
"""Seconds within which a process must answer the parent process, also while it starts."""

MOST_REQUESTS = 1000
"""The most requests and streams of one process at the same time; more are refused."""


def main(arguments: Sequence[str] = ()) -> None:
    """Serve until the process is asked to end."""
    if arguments[:1] == ["--logfile"]:
        os.environ["PILOTAGE_WEB_LOG"] = arguments[1]
    settings = load(os.environ)
    set_up_log(settings)
    # After its end uvicorn sends the signal to itself again, for the handlers that were set before.
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
    """Exit normally: a signal to end is not an error."""
    sys.exit(0)
