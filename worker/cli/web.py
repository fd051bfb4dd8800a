"""`pilotage web`: the server of the API."""

import os
import sys

import click

from worker import wiring
from worker.cli import show
from worker.cli.groups import example
from worker.domain.errors import DatabaseUnavailable, ServerUnavailable

SERVER = (sys.executable, "-P", "-m", "pilotage.web")


PATIENCE = 5.0
"""Seconds within which a running server answers."""

FROM_HERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - it is asked, not listened at
"""Where a server that listens at all addresses is asked from its own host."""


@click.command(epilog=example("pilotage web --port 8017"))
@click.option(
    "--address", help="The address to listen on; 127.0.0.1 is reached from this host only."
)
@click.option(
    "--port", type=click.IntRange(1, 65535), help="The port to listen on; 8017 by default."
)
@click.option("--processes", type=click.IntRange(1, 64), help="The number of processes.")
@click.option("--prefix", help="The path under which a proxy serves it: /pilotage.")
@click.option("--check", is_flag=True, help="Only check whether a server answers there.")
def web(check: bool, **options: str | int | None) -> None:
    """Serve the API, until SIGTERM or Ctrl-C.

    By default the server listens on this host only; if you change that, put a proxy with TLS before
    it. Sign in with a token of 'pilotage token create', or with 'pilotage token link'.
    """
    for name, value in options.items():
        if value is not None:
            os.environ[f"PILOTAGE_WEB_{name.upper()}"] = str(value)
    wiring.settings.cache_clear()
    settings = wiring.settings()
    if check:
        host = FROM_HERE.get(settings.web_address, settings.web_address)
        _check(settings.model_copy(update={"web_address": host}).listening_address)
        return
    try:
        wiring.current_database()
    except DatabaseUnavailable as error:
        show.warn(f"{error}; until this is solved, /health/ready says so")
    wiring.close()
    show.say(f"serving on {settings.address_of_web}")
    sys.stdout.flush()
    os.execv(SERVER[0], SERVER)  # noqa: S606 - our own program


def _check(address: str) -> None:
    import httpx

    try:
        # It is on this host, where no proxy leads.
        httpx.get(f"{address}/health/live", timeout=PATIENCE, trust_env=False).raise_for_status()
    except UnicodeError:
        raise ServerUnavailable(address, "no host has such a name") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ServerUnavailable(address, str(error) or type(error).__name__) from None
    show.say(f"the server at {address} answers")
