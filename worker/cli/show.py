"""How answers look: tables that line up, colours only on a terminal, JSON on request."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import Any

import click
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from worker.domain.secrets import without_secrets

COLOURS = {
    "current": "green",
    "created": "green",
    "migrated": "green",
    "stamped": "green",
    "yes": "green",
    "behind": "yellow",
    "absent": "yellow",
    "no": "yellow",
    "good": "green",
    "half_used": "yellow",
    "short": "red",
    "unusable": "red",
    "ok": "green",
    "ahead": "red",
    "foreign": "red",
    "failed": "red",
    "missing": "red",
}
"""The words that say how things stand."""


def complain(message: str, code: int = 1) -> int:
    """Print in one line what went wrong; return the exit code."""
    colour = None if os.environ.get("NO_COLOR") else "red"
    click.echo(f"pilotage: {click.style(without_secrets(message), fg=colour)}", err=True)
    return code


def warn(message: str) -> None:
    """Print in one line what an operator should look at, beside the answer."""
    colour = None if os.environ.get("NO_COLOR") else "yellow"
    click.echo(f"warning: {click.style(without_secrets(message), fg=colour)}", err=True)


def counted(number: int, word: str) -> str:
    """Say how many there are: 1 row, 2 rows."""
    return f"{number} {word}{'' if number == 1 else 's'}"


def say(message: str) -> None:
    """Print one line."""
    click.echo(message)


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], empty: str) -> None:
    """Print rows under their columns, or one line when there are none."""
    if not rows:
        say(empty)
        return
    # Nothing is cut or folded, so that a line stays a line.
    console = Console(width=10_000, no_color=None if sys.stdout.isatty() else True)
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        numbers = all(_is_number(row[column]) for row in rows)
        made.add_column(
            column.replace("_", " "), justify="right" if numbers else "left", no_wrap=True
        )
    for row in rows:
        made.add_row(*(_cell(row[column]) for column in columns))
    with console.capture() as captured:
        console.print(made)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def render(picture: RenderableType) -> None:
    """Print a picture: as wide as the terminal, or as wide as it is."""
    console = Console() if sys.stdout.isatty() else Console(width=200, no_color=True)
    with console.capture() as captured:
        console.print(picture)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def fields(values: Mapping[str, Any]) -> None:
    """Print one thing, a line for each of its values."""
    width = max(len(name) for name in values)
    for name, value in values.items():
        click.echo(f"{name.replace('_', ' '):<{width}}  {_word(value)}")


def as_json(value: object) -> None:
    """Print JSON."""
    click.echo(json.dumps(value, default=_plain, indent=2, ensure_ascii=False))


def coloured(word: str, width: int = 0) -> str:
    """Write a word in its colour; `say` takes colours away where there is no terminal."""
    colour = None if os.environ.get("NO_COLOR") else COLOURS.get(word)
    return click.style(f"{word:<{width}}", fg=colour) if colour else f"{word:<{width}}"


def legible(text: str) -> str:
    """Make a text of unknown origin fit for a terminal, which obeys some characters."""
    if not sys.stdout.isatty():
        return text
    return "".join(
        c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text
    )


def written(value: object) -> str:
    """Write a value in one line, as JSON."""
    return json.dumps(value, default=_plain, ensure_ascii=False)


def _cell(value: object) -> Text:
    word = _word(value)
    return Text(word, style=COLOURS.get(word, ""))


def _word(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%SZ")
    if isinstance(value, Mapping):
        return " ".join(f"{key}={_option(item)}" for key, item in value.items()) or "-"
    if isinstance(value, list | tuple):
        return " ".join(str(item) for item in value) or "-"
    return str(value)


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _option(value: object) -> str:
    """Write the value of an option as one may give it back to --option."""
    if isinstance(value, str) and " " not in value:
        try:
            json.loads(value)
        except json.JSONDecodeError:
            return value
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)
