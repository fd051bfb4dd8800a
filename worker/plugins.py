"""Plug-ins: what this distribution and others bring by entry points. Nothing else reads these.

One that cannot be used is an error in one line, which names it. What a plug-in runs it may import
on first use: most commands read what there is and run nothing of it.
"""

import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from worker.domain.errors import ConfigurationError

T = TypeVar("T")


def on_first_use(module: str, name: str) -> Callable[..., Any]:
    """Return what calls a function or class of a module, which is imported then."""

    def call(*arguments: Any, **options: Any) -> Any:
        return getattr(import_module(module), name)(*arguments, **options)

    return call


def names(group: str) -> list[str]:
    """List what there is of a group, and load nothing."""
    return [point.name for point in points(group)]


def points(group: str) -> Sequence[EntryPoint]:
    """Return the entry points of a group, in the order of their names."""
    every = _installed(tuple(sys.path))
    return sorted(every.select(group=group), key=lambda point: point.name)


@lru_cache(maxsize=1)
def _installed(path: tuple[str, ...]) -> Any:  # its type is another one since Python 3.12
    """Return what all distributions bring. To read it takes as long as much of a command."""
    return entry_points()


def load(group: str, kind: type[T], called: str, only: str | None = None) -> dict[str, T]:
    """Load a group, or one of it, each of this kind; in the order of their names."""
    loaded: dict[str, T] = {}
    for point in points(group):
        if only in (None, point.name):
            what = f"{called} {point.name}"
            plugin = _load(point, what)
            if not isinstance(plugin, kind):
                raise ConfigurationError(what, f"{point.value} is not a {kind.__name__}")
            if loaded.setdefault(point.name, plugin) is not plugin:
                raise ConfigurationError(what, "two distributions bring it")
    return loaded


def _load(point: EntryPoint, what: str) -> object:
    try:
        return point.load()
    except Exception as error:  # a plug-in may raise anything
        reason = f"it cannot be loaded: {type(error).__name__}: {error}"
        raise ConfigurationError(what, reason) from error
