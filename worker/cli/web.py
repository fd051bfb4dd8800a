"""`pilotage web`: the server of the API."""

import os
import sys

import click

from worker import wiring
from worker.cli import show
from worker.cli.groups import example

SERVER = (sys.executable, "-P", "-m", "pilotage.web")


@click.command(epilog=example("pilotage web --port 8017"))
@click.option("--address", help="Where it listens; 127.0.0.1 is this host alone.")
@click.option("--port", type=click.IntRange(1, 65535), help="The port; 8017 if nothing says it.")
@click.option("--processes", type=click.IntRange(1, 64), help="How many processes serve.")
@click.option("--prefix", help="The path under which a proxy has it: /pilotage.")
def web(address: str | None, port: int | None, processes: int | None, prefix: str | None) -> None:
    """Serve the API, until SIGTERM or Ctrl-C.

    It listens on this host alone, unless it is told otherwise: then put a proxy with TLS before it.
    Sign in by a token of 'pilotage token create', or by 'pilotage token link'.
    """
    options = {"address": address, "port": port, "processes": processes, "prefix": prefix}
    for name, value in options.items():
        if value is not None:
            os.environ[f"PILOTAGE_WEB_{name.upper()}"] = str(value)
    wiring.settings.cache_clear()
    settings = wiring.settings()
    wiring.current_database()
    wiring.close()
    show.say(f"serving on http://{settings.web_address}:{settings.web_port}{settings.web_prefix}")
    sys.stdout.flush()
    os.execv(SERVER[0], SERVER)  # noqa: S606 - our own program
