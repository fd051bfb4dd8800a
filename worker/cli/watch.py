"""Output of `pilotage up`: a picture in a terminal, lines in a pipe."""

from typing import Any

from rich.console import Console
from rich.live import Live

from worker import wiring
from worker.cli import show
from worker.cli.view import because, counts, picture
from worker.domain.pilot import Status
from worker.services.observe.notices import notices
from worker.services.observe.overview import Overview

NOTES = 3
"""How many of the last notes are shown."""


class Screen:
    """Draws the picture with the last notes. The notes stay in the terminal afterwards."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, screen=True, auto_refresh=False)
        self._situation: Overview | None = None
        self._notes: dict[str, str] = {}

    def __enter__(self) -> "Screen":
        self._live.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._live.__exit__(*error)
        for note in self._last_notes():
            show.say(note)

    def show(self, situation: Overview) -> None:
        """Draw the situation."""
        self._situation = situation
        width, height = self._console.size
        drawing = picture(situation, width, height, self._last_notes())
        self._live.update(drawing, refresh=True)

    def note(self, sentence: str) -> None:
        """Add a note; a repeated one replaces the earlier one."""
        self._notes.pop(sentence, None)
        self._notes[sentence] = f"{wiring.now():%H:%M:%S}Z {sentence}"
        if self._situation is not None:
            self.show(self._situation)

    def _last_notes(self) -> list[str]:
        return list(self._notes.values())[-NOTES:]


class Lines:
    """Prints a line for every transition from now on.

    A line has the time at which it is printed, so that no line is older than the one before it.
    """

    def __init__(self, begin: Overview) -> None:
        self._window = [step.id for _, step in begin.transitions]
        self._counts: dict[Status, int] | None = None
        self._warned: set[str] = set()
        self._note = ""

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def show(self, situation: Overview) -> None:
        """Print what is new."""
        at = f"{situation.at:%H:%M:%S}Z"
        oldest = min(self._window, default=0)
        fresh = [
            (ce, step)
            for ce, step in situation.transitions
            if step.id > oldest and step.id not in self._window
        ]
        if self._window and len(fresh) == len(situation.transitions):
            show.say(f"{at} … steps between are left out: pilotage pilot list")
        for ce, step in reversed(fresh):
            moved = f"{step.was or 'new'} → {step.became} {because(step)}".rstrip()
            show.say(f"{at} pilot {step.pilot_id} {ce}: {moved}")
        self._window = [step.id for _, step in situation.transitions]
        if situation.pilots != self._counts:
            self._counts = situation.pilots
            show.say(f"{at} {counts(situation.pilots)}")
        lines = {warning.subject: warning.line for warning in notices(situation)}
        for subject in lines.keys() - self._warned:
            show.say(f"{at} ! {lines[subject]}")
        self._warned = set(lines)

    def note(self, sentence: str) -> None:
        """Print a note, unless it was printed just before."""
        if sentence != self._note:
            show.say(f"{wiring.now():%H:%M:%S}Z {sentence}")
        self._note = sentence
