"""Rights to requests, checked before the rest of a request is read.

The right is taken from the OpenAPI document of the operation.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from worker.domain.access import Role
from worker.services.allowed import Right, require_right
from worker.web.callers import caller_of

READING = Right(role=Role.READ)


def documented(right: Right) -> dict[str, Any]:
    """Return the entry of a right in the OpenAPI document, from which the route reads it."""
    return {"x-role": str(right.role), "x-for-one-vo": right.for_one_vo}


class GuardedRoute(APIRoute):
    """A route for callers with a right. Others do not learn what is wrong with their request.

    The action itself checks the right again, and the VO, too, as it does for every door.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        serve = super().get_route_handler()
        extra = self.openapi_extra or {}
        right = Right(role=Role(extra["x-role"]), for_one_vo=extra["x-for-one-vo"])

        async def guarded(request: Request) -> Response:
            caller = caller_of(request)
            require_right(caller.who, caller.access, right)
            return await serve(request)

        return guarded
