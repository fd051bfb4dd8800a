"""Plug-ins: what this distribution and others offer by entry points.

Only this module reads entry points. A plug-in that cannot be used is an error of one line that
names the plug-in. A plug-in may delay its own imports until first use: most commands only list the
plug-ins and run none of their code.
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
    """Return a function that imports a module when it is called, and calls `name` in it."""

    def call(*arguments: Any, **options: Any) -> Any:
        return getattr(import_module(module), name)(*arguments, **options)

    return call


def names(group: str) -> list[str]:
    """List the names of a group's entry points, and load none of them."""
    return [point.name for point in points(group)]


def points(group: str) -> Sequence[EntryPoint]:
    """Return the entry points of a group, in the order of their names."""
    every = _installed(tuple(sys.path))
    return sorted(every.select(group=group), key=lambda point: point.name)


@lru_cache(maxsize=1)
def _installed(path: tuple[str, ...]) -> Any:  # the type of the result differs since Python 3.12
    """Return the entry points of all distributions.

    They are cached: reading them takes a large part of the time of a short command.
    """
    return entry_points()


def load(group: str, kind: type[T], called: str, only: str | None = None) -> dict[str, T]:
    """Load the plug-ins of a group, or only the one named `only`, in the order of their names.

    Each must be of this kind.
    """
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
