"""`pilotage up`: all needed processes, as children of one parent."""

import os
import shlex
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import FrameType

import click
from rich.console import Console

from worker import wiring
from worker.cli import show
from worker.cli.groups import example
from worker.cli.options import TimeLength
from worker.cli.view import counts
from worker.cli.watch import Lines, Screen
from worker.domain.access import Role
from worker.domain.errors import DatabaseError, Invalid
from worker.embedded.children import LONGEST, Children, alone
from worker.services.observe.overview import overview
from worker.services.operate import database as database_service
from worker.services.operate import demo as demo_service
from worker.services.operate import tokens

LOOK = 0.5
"""Seconds between two reads of the database."""


@click.command(epilog=example("pilotage up --demo --for 30s"))
@click.option("--for", "duration", type=TimeLength(), help="Stop after this time: 30s, 5m or 2h.")
@click.option(
    "--demo", is_flag=True, help="Add three CEs for a demonstration, and fire the tasks often."
)
def up(duration: timedelta | None, demo: bool) -> None:
    """Start workers, beat and the server of the API, and show what they do, until Ctrl-C.

    Without a configured database and broker, both are in the state folder. The demonstration has
    its own state folder, 'demo' in the usual one.
    """
    if demo:
        _use_a_folder_of_its_own()
    home = wiring.state_folder()
    with alone(home):
        _prepare(demo=demo)
        wiring.empty_broker()
        _choose_a_port()
        console = Console()
        begin = overview(wiring.runtime())
        screen = Screen(console) if console.is_terminal else Lines(begin)
        # A second signal must not interrupt the stopping of the processes halfway.
        with _stopped_by_signals() as stopped:
            with Children(home / "log", wiring.settings().log_size) as children:
                with screen:
                    screen.note(_how_to_sign_in(home, is_terminal=console.is_terminal))
                    _watch(children, screen, stopped, duration)
                show.say(f"stopping; this takes {LONGEST:.0f} s at the most")
            if demo:
                demo_service.end(wiring.runtime(by_hand=True))
    situation = overview(wiring.runtime())
    show.say(f"stopped; {counts(situation.pilots)}; state is kept in {home}")
    if demo:
        show.say(f"look at it: PILOTAGE_HOME={shlex.quote(str(home))} {_program()} status")


def _program() -> str:
    """Return what starts this program again in a shell: it need not be on the PATH."""
    program, on_path = sys.argv[0], shutil.which("pilotage")
    if on_path and Path(program).exists() and Path(program).samefile(on_path):
        return "pilotage"
    if os.access(program, os.X_OK):
        return shlex.quote(program)
    return f"{shlex.quote(sys.executable)} -m pilotage"


def _use_a_folder_of_its_own() -> None:
    """Keep the CEs and schedules of the demonstration apart from a real installation."""
    if not wiring.settings().is_embedded or wiring.settings().broker_url is not None:
        raise Invalid(
            "--demo", "it is not for a configured database or broker; unset their variables first"
        )
    wiring.move_home("demo")


def _prepare(*, demo: bool) -> None:
    """Set up the embedded database, or require a configured one to be up to date."""
    database = wiring.database()
    if wiring.settings().is_embedded:
        database_service.setup(database)
    else:
        database_service.require_current(database)
    if demo:
        demo_service.prepare(wiring.runtime(by_hand=True))


def _choose_a_port() -> None:
    """Let the server listen on another port if another process uses the usual one.

    A port or address that was configured is an error instead: clients use it, and would send their
    secrets to that other process.
    """
    settings = wiring.settings()
    try:
        another = _free_port(settings.web_address, 0)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "it is no address"
        raise Invalid("web_address", f"{settings.web_address}: {why}") from error
    try:
        port = _free_port(settings.web_address, settings.web_port)
    except OSError as error:
        if settings.model_fields_set & {"web_port", "web_url"}:
            raise Invalid("web_port", f"{settings.web_port}: {error.strerror}") from error
        port = another
    os.environ["PILOTAGE_WEB_PORT"] = str(port)
    wiring.settings.cache_clear()


def _free_port(address: str, port: int) -> int:
    """Return the port if a server can listen there; for 0, one that the system chooses."""
    # The smallest family is IPv4, for a name that has both.
    family, kind, _, _, place = min(socket.getaddrinfo(address, port, type=socket.SOCK_STREAM))
    with socket.socket(family, kind) as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(place)
        return int(free.getsockname()[1])


def _how_to_sign_in(home: Path, *, is_terminal: bool) -> str:
    """Return the address of the server, with a link to sign in.

    The output of a pipe may be a log file, so it gets no secret.
    """
    address = wiring.settings().address_of_web
    if not is_terminal:
        where = f"PILOTAGE_HOME={shlex.quote(str(home))} PILOTAGE_WEB_URL={address}"
        return f"console and API: {address}; sign in: {where} {_program()} token link"
    runtime = wiring.runtime(by_hand=True)
    new = tokens.make_link(runtime, runtime.database.actor.who, Role.ADMIN)
    return f"sign in, once and within 10 min: {address}/sign-in#{new.secret}"


def _watch(
    children: Children, watcher: Screen | Lines, stopped: list[int], duration: timedelta | None
) -> None:
    """Show what happens and restart children that ended, until a signal or the end of the time."""
    ends = None if duration is None else time.monotonic() + duration.total_seconds()
    while not stopped and (ends is None or time.monotonic() < ends):
        for sentence in children.revive():
            watcher.note(sentence)
        try:
            watcher.show(overview(wiring.runtime()))
        except DatabaseError as error:
            watcher.note(str(error))
        _sleep(stopped)


def _sleep(stopped: list[int]) -> None:
    """Wait until the next read. A signal does not end a sleep, so the sleeps are short."""
    ends = time.monotonic() + LOOK
    while not stopped and time.monotonic() < ends:
        time.sleep(LOOK / 10)


@contextmanager
def _stopped_by_signals() -> Iterator[list[int]]:
    stopped: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        stopped.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
