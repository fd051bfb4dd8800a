"""Options that several commands share."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import click

from worker import wiring
from worker.cli import show
from worker.cli.columns import Column
from worker.cli.perform import now
from worker.domain.lengths import in_utc, length
from worker.domain.nearest import nearest

Command = TypeVar("Command", bound=Callable[..., Any])


def with_options(*options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """Return a decorator that adds these options; help shows them in this order."""

    def add(command: Command) -> Command:
        # click shows the option first that was added last.
        for option in reversed(options):
            command = option(command)
        return command

    return add


def rows(default: int) -> Callable[[Command], Command]:
    """Return a decorator that adds an option for the largest number of rows."""
    return click.option(
        "--rows",
        "limit",
        type=click.IntRange(1, 10_000),
        default=default,
        show_default=True,
        help="The largest number of rows.",
    )


LONGEST_SEARCH = 1000
"""The longest search text, in characters. Databases limit the length of a pattern."""


def _bounded(context: click.Context, option: click.Parameter, text: str | None) -> str | None:
    if text is not None and len(text) > LONGEST_SEARCH:
        raise click.BadParameter(f"it is longer than {LONGEST_SEARCH} characters")
    return text


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
yes_option = click.option(
    "--yes", is_flag=True, help="Really do it. Without --yes, only show what would change."
)
destructive = with_options(
    yes_option, click.option("--force", is_flag=True, help="Do it even while pilots are active.")
)
reason_option = click.option("--reason", help="The reason, shown to others.")
one_page = with_options(
    rows(100),
    click.option("--after", help="Continue after this cursor, which is printed below a page."),
)
"""The options that choose a page of a list."""
paged = with_options(
    click.option(
        "--search",
        callback=_bounded,
        help="Only names that contain TEXT, in any case; for pilots an id or the beginning of "
        "a stamp.",
    ),
    click.option("--sort", help="Order by this column."),
    click.option("--descending", is_flag=True, help="Reverse the order."),
    one_page,
)
"""The options of every long list."""


class Choice(click.Choice[str]):
    """A word out of a few; the error for a wrong word suggests the nearest."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """Return the message for a wrong word."""
        return f"{str(value)!r}: {nearest(str(value), self.choices)}"


class Amount(click.ParamType[int | str]):
    """A whole number, or 'none' for no limit."""

    name = "number|none"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        """Return the number, or the word 'none'. An option that was not given is `None`."""
        if value == NO_LIMIT:
            return NO_LIMIT
        try:
            return int(value)
        except ValueError:
            self.fail(f"{value!r} is neither a whole number nor 'none'", param, ctx)


class TimeLengthOrNone(click.ParamType[timedelta | str]):
    """A length of time, or 'none' for no limit."""

    name = "duration|none"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta | str:
        """Return the length, or the word 'none'. An option that was not given is `None`."""
        if isinstance(value, timedelta):
            return value
        if value == NO_LIMIT:
            return NO_LIMIT
        read = length(value)
        if read is None:
            self.fail(f"{value!r} is neither a length of time like 2h nor 'none'", param, ctx)
        return read


class TimeLength(click.ParamType[timedelta]):
    """A length of time."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Return the length. An option that was not given is `None`."""
        if isinstance(value, timedelta):
            return value
        read = length(value)
        if read is None:
            self.fail(f"{value!r} is not a length of time like 2h", param, ctx)
        return read


def _timeout(name: str, sentence: str) -> Callable[[Command], Command]:
    return click.option(name, type=TimeLengthOrNone(), help=f"{sentence}: 2h; 'none': never.")


timeouts = with_options(
    _timeout("--wait-at-most", "Cancel a pilot that waits at its CE for longer"),
    _timeout("--run-at-most", "Cancel a pilot that runs for longer"),
    _timeout("--silent-at-most", "Cancel a pilot about which its CE has not answered for longer"),
)
"""The time-outs of a CE or VO."""


class Moment(click.ParamType[datetime]):
    """A moment in UTC, or a time from now."""

    name = "moment|duration"
    sign = 1

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return the moment."""
        if isinstance(value, datetime):
            return value
        try:
            if (from_now := length(value)) is not None:
                return now() + self.sign * from_now
            return in_utc(datetime.fromisoformat(value))
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is neither a length of time like 2h nor a moment like 2026-01-31T12:00",
                param,
                ctx,
            )


class Ago(Moment):
    """A moment in UTC, or a time before now."""

    sign = -1


def since(default: str) -> Callable[[Command], Command]:
    """Return a decorator that adds --since."""
    return click.option(
        "--since",
        type=Ago(),
        default=default,
        show_default=True,
        help="The start: a moment in UTC, or a length of time before now.",
    )


NO_LIMIT = "none"


def typed_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that were given; 'none' becomes `None`, which is no limit."""
    return {
        name: None if value == NO_LIMIT else value
        for name, value in values.items()
        if value is not None and value != () and value != {}
    }


def require_change(changes: dict[str, Any]) -> dict[str, Any]:
    """Refuse a command that changes nothing."""
    if not changes:
        raise click.UsageError("Name a value to change.")
    return changes


def warn_of_long_calls(ce: str | None = None) -> None:
    """Print a warning for each CE, or for this one, whose calls may take longer than a task."""
    if wiring.server() is not None:
        return
    from worker.services.operate import call_timeouts

    for line in call_timeouts.warnings(wiring.runtime(), ce):
        show.warn(line)


def show_page(
    page: Any,
    columns: Sequence[str],
    empty: str,
    as_json: bool,
    more: Callable[[Any], Mapping[str, Any]] = lambda _: {},
) -> None:
    """Show one page of a list, and the option for the next page.

    The value of a column is an attribute of the item, or comes from `more`.
    """
    rows = []
    for item in page.items:
        extra = more(item)
        rows.append({c: extra[c] if c in extra else getattr(item, c) for c in columns})
    show_rows(rows, page.next, columns, empty, as_json)


def show_rows(
    rows: Sequence[Mapping[str, Any]],
    following: str | None,
    columns: Sequence[str | Column],
    empty: str,
    as_json: bool,
) -> None:
    """Show the rows of a page; as JSON with all their values."""
    if as_json:
        show.as_json({"items": rows, "next": following})
        return
    show.table(rows, columns, empty)
    if following:
        show.verbatim(f"more: --after {following}")
