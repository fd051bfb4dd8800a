"""`pilotage up`: everything that is needed, as children of one parent."""

import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import click
from rich.console import Console
from rich.live import Live

from worker import wiring
from worker.cli import show
from worker.cli.children import Children, alone
from worker.cli.parts import example
from worker.cli.view import counts, picture, warnings
from worker.domain.errors import DatabaseError, Invalid
from worker.domain.pilot import Status
from worker.services import database as database_service
from worker.services import demo as demo_service
from worker.services.overview import Overview, overview

LOOK = 0.5
"""Seconds between two looks at the database."""


@click.command(epilog=example("pilotage up --demo --for 30s"))
@click.option("--for", "duration", metavar="DURATION", help="Stop by itself after 30s, 5m or 2h.")
@click.option("--demo", is_flag=True, help="Add three CEs to watch, and fire often.")
def up(duration: str | None, demo: bool) -> None:
    """Start workers and beat, and show what they do, until Ctrl-C.

    With no database and broker configured, both are kept in the state folder.
    """
    seconds = None if duration is None else _seconds(duration)
    home = wiring.settings().home
    with alone(home):
        _prepare(demo=demo)
        wiring.empty_broker()
        # Whoever asks to stop once more, while all is being stopped, is not to leave half of it.
        with _stopped_by_signals() as stopped:
            with Children(home / "log") as children:
                _watch(children, stopped, seconds)
            if demo:
                demo_service.end(wiring.parts(by_hand=True))
    seen = overview(wiring.parts())
    show.say(f"stopped; {counts(seen.pilots)}; state is kept in {home}")


def _prepare(*, demo: bool) -> None:
    """Make the embedded database, or insist on a configured one that is up to date."""
    database = wiring.database()
    if wiring.settings().is_embedded:
        database_service.setup(database)
    else:
        database_service.require_current(database)
    if demo:
        demo_service.prepare(database, wiring.backends(), wiring.now())


def _watch(children: Children, stopped: list[int], seconds: float | None) -> None:
    """Show what happens and keep the children alive, until told to stop or time is up."""
    ends = None if seconds is None else time.monotonic() + seconds
    console = Console()
    shown = _live(console) if console.is_terminal else _lines()
    with shown as update:
        while not stopped and (ends is None or time.monotonic() < ends):
            for line in children.revive():
                show.say(line)
            try:
                update(overview(wiring.parts()))
            except DatabaseError as error:
                show.say(str(error))
            time.sleep(LOOK)


@contextmanager
def _live(console: Console) -> Iterator[Callable[[Overview], None]]:
    with Live(console=console, screen=True, auto_refresh=False) as live:
        yield lambda seen: live.update(picture(seen), refresh=True)


@contextmanager
def _lines() -> Iterator[Callable[[Overview], None]]:
    """Print a line for every new decision and transition: for a pipe or a log."""
    yield _Lines()


class _Lines:
    def __init__(self) -> None:
        self._last_step = 0
        self._last_counts: dict[Status, int] | None = None
        self._last_warnings: set[str] = set()

    def __call__(self, seen: Overview) -> None:
        for ce, step in reversed(seen.transitions):
            if step.id > self._last_step:
                if 0 < self._last_step < step.id - 1:
                    show.say("         … steps between are left out: pilotage pilot list")
                self._last_step = step.id
                because = " ".join(str(w) for w in (step.cause, step.reason) if w)
                was = step.was or "new"
                moved = f"pilot {step.pilot_id} {ce}: {was} → {step.became} {because}"
                show.say(f"{step.at:%H:%M:%S} {moved}".rstrip())
        if seen.pilots != self._last_counts:
            self._last_counts = seen.pilots
            show.say(f"{seen.at:%H:%M:%S} {counts(seen.pilots)}")
        lines = {notice.subject: notice.line for notice in warnings(seen)}
        for subject in lines.keys() - self._last_warnings:
            show.say(f"{seen.at:%H:%M:%S} ! {lines[subject]}")
        self._last_warnings = set(lines)


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
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if found is None:
        raise Invalid("duration", f"{text!r} is not like 30s, 5m or 2h")
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]
