"""Groups of commands.

The root group imports the module of a command only when the command is called, so that `pilotage
--help` and shell completion are fast.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, NamedTuple

import click
from click.shell_completion import CompletionItem

from worker.domain.nearest import nearest


class Group(click.Group):
    """A group that keeps the order of its commands and suggests the nearest for a wrong one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands in the order in which they were added, not sorted."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; the error for a wrong one suggests the nearest."""
        words = self.list_commands(ctx)
        if args and args[0] not in words and not args[0].startswith("-"):
            raise click.UsageError(f"No such command {args[0]!r}: {nearest(args[0], words)}", ctx)
        return super().resolve_command(ctx, args)


class Entry(NamedTuple):
    """The module that defines a command under its name, and the line in the group's help."""

    module: str
    line: str


class LazyGroup(Group):
    """A group that imports the module of a command when the command is called."""

    def __init__(
        self,
        *args: Any,
        entries: Mapping[str, Entry],
        prepare: Callable[[click.Command], None],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._entries = entries
        self._prepare = prepare

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands in the order of the table."""
        return list(self._entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command on first use."""
        if cmd_name in self._entries and cmd_name not in self.commands:
            command: click.Command = getattr(
                import_module(self._entries[cmd_name].module), cmd_name
            )
            self._prepare(command)
            self.add_command(command)
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the lines of the table, without importing the commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.line) for name, entry in self._entries.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands and options that begin with this text."""
        words = [
            CompletionItem(name, help=entry.line)
            for name, entry in self._entries.items()
            if name.startswith(incomplete)
        ]
        return words + click.Command.shell_complete(self, ctx, incomplete)


def example(line: str) -> str:
    """Write a command's example, shown at the end of its --help."""
    return f"Example: {line}"
