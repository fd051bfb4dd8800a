"""Performing an action: on the database, or through the server of --server."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Concatenate, ParamSpec, TypeVar

from worker import wiring
from worker.services.runtime import Runtime

P = ParamSpec("P")
T = TypeVar("T")


def perform(action: Callable[Concatenate[Runtime, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Perform an action, here or on the server, and return its result."""
    if wiring.server() is None:
        return action(wiring.by_hand(), *args, **kwargs)
    from worker.cli.remote import perform_remotely

    return perform_remotely(action, *args, **kwargs)


def now() -> datetime:
    """Return the time of the database. With --server, return the time of this host."""
    return wiring.now() if wiring.server() is None else datetime.now(UTC)
