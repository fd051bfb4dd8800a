"""Shell completion: the names of CEs, VOs, tasks, back-ends and tokens in arguments and options.

A key press must never print an error or create a file, so after any error nothing is completed. The
modules that list names are imported only when a name is completed: most commands are run, not
completed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

import click
from click.shell_completion import CompletionItem

from worker import wiring
from worker.cli.perform import perform

Names = Callable[[], Iterable[str]]


class Name(click.types.StringParamType):
    """A text that is the name of something."""

    def __init__(self, names: Names) -> None:
        self._names = names

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the names that begin with this text."""
        try:
            return [CompletionItem(name) for name in self._names() if name.startswith(incomplete)]
        except Exception:  # noqa: BLE001 - a key press prints no error
            return []


def _ces() -> Iterable[str]:
    from worker.services.operate.ce_inventory import ce_names

    return perform(ce_names) if _may_exist() else ()


def _vos() -> Iterable[str]:
    from worker.services.operate.vo_inventory import vo_names

    return perform(vo_names) if _may_exist() else ()


def _tasks() -> Iterable[str]:
    from worker.services.tasks import catalogue

    return catalogue.tasks()


def _tokens() -> Iterable[str]:
    from worker.services.operate.tokens import token_names

    return perform(token_names) if _may_exist() else ()


def _may_exist() -> bool:
    """Return whether there may be a database: building the embedded one would make its folder."""
    settings = wiring.settings()
    return wiring.server() is not None or not settings.is_embedded or settings.home.is_dir()


_ARGUMENTS: Mapping[tuple[str, str], Names] = {
    ("ce", "name"): _ces,
    ("vo", "name"): _vos,
    ("task", "name"): _tasks,
    ("backend", "name"): wiring.backends,
    ("token", "name"): _tokens,
}
"""The names that an argument may have, by the group of the command."""

_ANYWHERE: Mapping[str, Names] = {
    "ce": _ces,
    "vo": _vos,
    "only_for": _vos,
    "backend": wiring.backends,
}
"""The names that an argument or an option may have in every command."""


def complete_names(root: click.Command) -> None:
    """Make a command, or every command of a group, complete the names in its arguments."""
    for group, command in _commands(root, ""):
        for param in command.params:
            names = _names(group, command, param)
            if names is not None:
                param.type = Name(names)


def _names(group: str, command: click.Command, param: click.Parameter) -> Names | None:
    name = str(param.name)
    is_new = command.name in ("add", "create") and name == "name"
    if is_new or not isinstance(param.type, click.types.StringParamType):
        return None
    return _ARGUMENTS.get((group, name)) or _ANYWHERE.get(name)


def _commands(command: click.Command, group: str) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield group, command
        return
    for word in command.commands.values():
        yield from _commands(word, str(command.name))
