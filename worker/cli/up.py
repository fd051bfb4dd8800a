"""`pilotage up`: everything that is needed, as children of one parent."""

import re
import shlex
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click
from rich.console import Console

from worker import wiring
from worker.cli import show
from worker.cli.groups import example
from worker.cli.view import counts
from worker.cli.watch import Lines, Screen
from worker.domain.errors import DatabaseError, Invalid
from worker.embedded.children import LONGEST, Children, alone
from worker.services.observe.overview import overview
from worker.services.operate import database as database_service
from worker.services.operate import demo as demo_service

LOOK = 0.5
"""Seconds between two looks at the database."""


@click.command(epilog=example("pilotage up --demo --for 30s"))
@click.option("--for", "duration", metavar="DURATION", help="Stop by itself after 30s, 5m or 2h.")
@click.option("--demo", is_flag=True, help="Add three CEs to watch, and fire often.")
def up(duration: str | None, demo: bool) -> None:
    """Start workers and beat, and show what they do, until Ctrl-C.

    With no database and broker configured, both are kept in the state folder. The demonstration
    has a state folder of its own, 'demo' in the usual one.
    """
    seconds = None if duration is None else _seconds(duration)
    if demo:
        _use_a_folder_of_its_own()
    home = wiring.state_folder()
    with alone(home):
        _prepare(demo=demo)
        wiring.empty_broker()
        console = Console()
        begin = overview(wiring.runtime())
        screen = Screen(console) if console.is_terminal else Lines(begin)
        # Whoever asks to stop once more, while all is being stopped, is not to leave half of it.
        with _stopped_by_signals() as stopped:
            with Children(home / "log", wiring.settings().log_size) as children:
                with screen:
                    _watch(children, screen, stopped, seconds)
                show.say(f"stopping; this takes {LONGEST:.0f} s at the most")
            if demo:
                demo_service.end(wiring.runtime(by_hand=True))
    situation = overview(wiring.runtime())
    show.say(f"stopped; {counts(situation.pilots)}; state is kept in {home}")
    if demo:
        show.say(f"look at it: PILOTAGE_HOME={shlex.quote(str(home))} pilotage status")


def _use_a_folder_of_its_own() -> None:
    """Keep the CEs and schedules of the demonstration out of what is not one."""
    if not wiring.settings().is_embedded or wiring.settings().broker_url is not None:
        raise Invalid(
            "--demo", "it is not for a configured database or broker; unset their variables first"
        )
    wiring.move_home("demo")


def _prepare(*, demo: bool) -> None:
    """Make the embedded database, or insist on a configured one that is up to date."""
    database = wiring.database()
    if wiring.settings().is_embedded:
        database_service.setup(database)
    else:
        database_service.require_current(database)
    if demo:
        demo_service.prepare(database, wiring.backends(), wiring.now())


def _watch(
    children: Children, watcher: Screen | Lines, stopped: list[int], seconds: float | None
) -> None:
    """Show what happens and keep the children alive, until told to stop or time is up."""
    ends = None if seconds is None else time.monotonic() + seconds
    while not stopped and (ends is None or time.monotonic() < ends):
        for sentence in children.revive():
            watcher.note(sentence)
        try:
            watcher.show(overview(wiring.runtime()))
        except DatabaseError as error:
            watcher.note(str(error))
        _sleep(stopped)


def _sleep(stopped: list[int]) -> None:
    """Wait for the next look; a signal does not end a sleep, so it is a short one."""
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


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if match is None:
        raise Invalid("duration", f"{text!r} is not like 30s, 5m or 2h")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]
