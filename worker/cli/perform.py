"""How a command has an action done: on the database, or by the server of --server."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Concatenate, ParamSpec, TypeVar

from worker import wiring
from worker.services.runtime import Runtime

P = ParamSpec("P")
T = TypeVar("T")


def perform(action: Callable[Concatenate[Runtime, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Have a service do something, and return what it returns, wherever it runs."""
    if wiring.server() is None:
        return action(wiring.by_hand(), *args, **kwargs)
    from worker.cli.remote import perform_remotely

    return perform_remotely(action, *args, **kwargs)


def now() -> datetime:
    """Return the time that every host shares; of a server nobody asks, it is that of this host."""
    return wiring.now() if wiring.server() is None else datetime.now(UTC)
