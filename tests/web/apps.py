"""The application on a runtime of a test; its routes are made once for all tests of a process."""

from copy import copy
from functools import cache
from typing import TYPE_CHECKING, cast

from fastapi import FastAPI
from starlette.datastructures import State

from worker.services.runtime import Runtime
from worker.web.app import connect, make_app

if TYPE_CHECKING:
    from worker.web.issuer import Issuer


@cache
def _pattern() -> FastAPI:
    return make_app(cast(Runtime, None), checks={})


def app_on(runtime: Runtime, *, prefix: str = "", issuer: "Issuer | None" = None) -> FastAPI:
    """Return an application with its own state and doors, and the routes of `make_app`.

    Making the routes takes longer than most tests, and routes know neither runtime nor state.
    """
    app = copy(_pattern())
    app.state = State(dict(app.state._state))
    app.user_middleware, app.middleware_stack = [], None
    connect(app, runtime, prefix, issuer)
    return app
