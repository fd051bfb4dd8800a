"""Who sends a request: known by a token before anything of the request is read."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from anyio.to_thread import run_sync
from fastapi import Request
from pydantic import TypeAdapter
from starlette.types import ASGIApp, Receive, Scope, Send

from worker.domain.access import Access
from worker.domain.change import Actor, Door
from worker.domain.errors import NotSignedIn, PilotageError
from worker.services.runtime import Runtime
from worker.web.problems import problem

OPEN = frozenset({"/health/live"})
"""What is open to everybody."""


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Somebody who sends requests."""

    who: str
    access: Access


def runtime_of(request: Request, once: tuple[str, str, TypeAdapter[Any]] | None = None) -> Runtime:
    """Return the runtime for a request: in the name of its caller."""
    caller: Caller = request.state.caller
    base: Runtime = request.app.state.runtime
    actor = Actor(who=caller.who, door=Door.API, access=caller.access)
    return replace(base, database=base.database.used_by(actor), by_hand=True)
