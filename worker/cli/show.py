"""Output of the commands: aligned tables, colours only on a terminal, JSON on request."""

import json
import os
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from worker.cli.columns import Column, column_of, layout
from worker.domain import spelled, texts
from worker.domain.lengths import as_option, clock
from worker.domain.secrets import without_secrets

WIDEST = 10_000
"""The width of the output in a pipe, where nothing is cut."""
NARROWEST = 20

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
"""The colours of words for states."""


def complain(message: str, code: int) -> int:
    """Print an error in one line; return the exit code."""
    colour = None if os.environ.get("NO_COLOR") else "red"
    click.echo(f"pilotage: {click.style(without_secrets(message), fg=colour)}", err=True)
    return code


def warn(message: str) -> None:
    """Print a warning for the operator in one line, beside the answer."""
    colour = None if os.environ.get("NO_COLOR") else "yellow"
    click.echo(f"warning: {click.style(without_secrets(message), fg=colour)}", err=True)


def counted(number: int, word: str) -> str:
    """Return a number and its word: 1 row, 2 rows."""
    return f"{number} {word}{'' if number == 1 else 's'}"


def width() -> int | None:
    """Return the width of the terminal; `None` in a pipe, where lines are not cut."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) > 0:
        return int(columns)
    if not sys.stdout.isatty():
        return None
    return os.get_terminal_size(sys.stdout.fileno()).columns or 80


def say(message: str) -> None:
    """Print one sentence; a terminal shows its further lines slightly indented."""
    indent = len(message) - len(message.lstrip()) + 2
    for line in _folded(message, width(), indent):
        click.echo(line)


def verbatim(text: str) -> None:
    """Print a text of another origin unchanged."""
    click.echo(text)


def table(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str | Column],
    empty: str,
    *,
    heading: bool = True,
) -> None:
    """Print rows under their headings, or the line `empty` if there are none.

    In a terminal, the table is at most as wide as the terminal: less important columns are left
    out, long texts are cut, as `worker.cli.columns` decides.
    """
    if rows:
        render(grid(rows, columns, width(), heading=heading), width())
    else:
        say(empty)


def grid(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str | Column],
    span: int | None,
    *,
    heading: bool = True,
) -> Table:
    """Lay out a table with a width of `span` characters, or as wide as it needs."""
    described = [column_of(column) for column in columns]
    cells = [[_cell(row[column.name]) for column in described] for row in rows]
    numbers = [all(_is_number(row[column.name]) for row in rows) for column in described]
    uncut = [all(_is_uncut(row[column.name]) for row in rows) for column in described]
    wide = _widths(described, cells, uncut, span, heading=heading)
    grid_table = Table(box=None, pad_edge=False, header_style="bold", show_header=heading)
    for number, breadth in wide.items():
        grid_table.add_column(
            described[number].heading,
            justify="right" if numbers[number] else "left",
            no_wrap=not described[number].fold,
            overflow="fold" if described[number].fold else "ellipsis",
            width=breadth,
        )
    for row in cells:
        grid_table.add_row(*(row[number] for number in wide))
    return grid_table


def render(picture: RenderableType, span: int | None) -> None:
    """Print a table or picture that was laid out with this width."""
    console = Console(
        width=span or WIDEST, no_color=None if sys.stdout.isatty() else True, highlight=False
    )
    with console.capture() as captured:
        console.print(picture)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def fields(values: Mapping[str, Any], *, indent: int = 0) -> None:
    """Print the values of one thing, one in a line; a long value continues below itself."""
    breadth = max(len(name) for name in values)
    for name, value in values.items():
        line = f"{'':{indent}}{spelled.spaced(name):<{breadth}}  {word(value)}"
        for part in _folded(line, width(), indent + breadth + 2, whole_words=False):
            click.echo(part)


def changes(was: Mapping[str, Any], now: Mapping[str, Any], names: Iterable[str]) -> str:
    """Return a sentence that says which of these values changed, and how."""
    changed = (
        f"{spelled.spaced(name)} {word(was[name])} → {word(now[name])}"
        for name in names
        if was[name] != now[name]
    )
    return ", ".join(changed) or "nothing changed"


def as_json(value: object) -> None:
    """Print JSON."""
    click.echo(json.dumps(value, default=_plain, indent=2, ensure_ascii=False))


def coloured(word: str, width: int) -> str:
    """Write a word in its colour; `say` removes colours if there is no terminal."""
    colour = None if os.environ.get("NO_COLOR") else COLOURS.get(word)
    return click.style(f"{word:<{width}}", fg=colour) if colour else f"{word:<{width}}"


def legible(text: str) -> str:
    """Make a text of unknown origin safe for a terminal, which interprets some characters."""
    return texts.legible(text) if sys.stdout.isatty() else text


def written(value: object) -> str:
    """Write a value in one line, as JSON."""
    return json.dumps(value, default=_plain, ensure_ascii=False)


def word(value: object) -> str:
    """Write a value for people: in a table, a list of values or a sentence."""
    if isinstance(value, datetime):
        return _moment(value)
    if isinstance(value, timedelta):
        return as_option(value)
    return spelled.word(value)


def _moment(moment: datetime) -> str:
    """Write a moment: today's without the date, but in a pipe with it: it may be read later."""
    if width() is None:
        return f"{moment:%Y-%m-%d %H:%M:%S}Z"
    return clock(moment, datetime.now(UTC))


def _cell(value: object) -> Text:
    if isinstance(value, Text):
        return value
    line = " ".join(word(value).splitlines())
    return Text(line, style=COLOURS.get(line, ""))


def _widths(
    columns: Sequence[Column],
    cells: Sequence[Sequence[Text]],
    uncut: Sequence[bool],
    span: int | None,
    *,
    heading: bool,
) -> dict[int, int]:
    """Return the columns that are shown, by their number, with their widths."""
    longest, shortest = [], []
    for number, column in enumerate(columns):
        title = cell_len(column.heading) if heading else 0
        values = max((row[number].cell_len for row in cells), default=0)
        longest.append(max(title, values))
        shortest.append(longest[-1] if uncut[number] else max(title, column.shortest(values)))
    return layout(columns, shortest, longest, WIDEST if span is None else span)


def _folded(line: str, span: int | None, indent: int, *, whole_words: bool = True) -> Iterator[str]:
    """Split a line at the width of the terminal, between words."""
    if span is None or "\n" in line or "\x1b" in line or cell_len(line) <= span:
        yield line
        return
    yield from textwrap.wrap(
        line,
        max(span, indent + NARROWEST),
        subsequent_indent=" " * indent,
        break_long_words=not whole_words,
        break_on_hyphens=False,
    )


def _is_uncut(value: object) -> bool:
    return isinstance(value, bool | datetime) or _is_number(value)


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return int(value.total_seconds())
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)
