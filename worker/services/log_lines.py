"""Log lines: one event each, as text or as JSON, with the task, VO, CE and pilot of the event.

The code that begins a piece of work names these once, with `about`; every line that is written
meanwhile, also by other modules and libraries, has them. Text that looks like a secret is removed
from every line.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from worker.domain.secrets import without_secrets
from worker.domain.words import Described

FACTS = ("task", "task_id", "by", "vo", "ce", "pilot", "stamp")
"""The facts that a line may have beside its message; `by` is what triggered the work."""


class Trigger(Described):
    """What triggered an execution."""

    TICK = "tick", "Its schedule."
    NUDGE = "nudge", "Another task, which had something for it to do."
    HAND = "hand", "A person, by a command."


_about: ContextVar[Mapping[str, str]] = ContextVar("log_about", default={})  # noqa: B039 - a mapping that nobody changes


@contextmanager
def about(**facts: str | None) -> Iterator[None]:
    """Add these facts to every line that is written within the block."""
    mine = {name: str(value) for name, value in facts.items() if value is not None}
    token = _about.set({**_about.get(), **mine})
    try:
        yield
    finally:
        _about.reset(token)


class TextLines(logging.Formatter):
    """Lines for people."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        logger, _, execution = record.name.partition("[")
        facts: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": logger,
            "message": record.getMessage(),
        }
        noted = {**_about.get(), **{n: v for n in FACTS if (v := getattr(record, n, None))}}
        if execution:
            noted.setdefault("task_id", execution.rstrip("]"))
        facts |= {name: str(noted[name]) for name in FACTS if name in noted}
        if record.exc_info:
            facts["traceback"] = self.formatException(record.exc_info)
        if record.stack_info:
            facts["stack"] = self.formatStack(record.stack_info)
        return json.dumps({name: without_secrets(text) for name, text in facts.items()})


def lines_of(form: str, *, is_read_by_people: bool) -> logging.Formatter:
    """Return the formatter for a form: text, json, or auto, which depends on who reads the log."""
    is_text = is_read_by_people if form == "auto" else form == "text"
    return TextLines() if is_text else JsonLines()
