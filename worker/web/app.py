"""The application: its routes, its checks of callers, and its error pages."""

import asyncio
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING

from fastapi import FastAPI, Security
from fastapi.security import HTTPBearer
from starlette.types import Lifespan

from worker.services.runtime import Runtime
from worker.web import (
    diracx,
    documents,
    events,
    health,
    own_pilots,
    pilot_reports,
    problem_pages,
    problems,
    routes,
    sign_in,
)
from worker.web.bounds import Border
from worker.web.callers import Gate
from worker.web.console import pages as console
from worker.web.paces import pace_of_failures

if TYPE_CHECKING:
    from worker.web.issuer import Issuer


def make_app(
    runtime: Runtime,
    *,
    prefix: str = "",
    checks: Mapping[str, Callable[[], object]],
    issuer: "Issuer | None" = None,
    lifespan: Lifespan[FastAPI] | None = None,
) -> FastAPI:
    """Make the application for a runtime, under the prefix of a reverse proxy."""
    app = FastAPI(
        title="Pilotage",
        version=version("pilotage"),
        description=documents.ABOUT,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        separate_input_output_schemas=False,
        lifespan=lifespan,
    )
    problems.install(app, console.error_page)
    by_token = [Security(HTTPBearer(auto_error=False, description="A token of Pilotage."))]
    for router in (
        pilot_reports.router(),  # before the routes that take 'me' for a pilot's name
        routes.router(),
        events.router(),
        own_pilots.router(),
        diracx.router(),
        problem_pages.router(),
        sign_in.me(),
    ):
        app.include_router(router, prefix="/api", dependencies=by_token)
    app.include_router(health.router(checks), dependencies=by_token)
    app.include_router(health.open_router())
    app.include_router(diracx.discovery())
    app.include_router(sign_in.pages())
    app.include_router(console.router())
    document = app.openapi
    vars(app)["openapi"] = lambda: documents.complete(document())
    connect(app, runtime, prefix, issuer)
    return app


def connect(
    app: FastAPI, runtime: Runtime, prefix: str = "", issuer: "Issuer | None" = None
) -> None:
    """Connect the application to a runtime. The routes themselves hold no runtime."""
    failures = pace_of_failures()
    app.add_middleware(Gate, runtime=runtime, failures=failures)
    app.add_middleware(Border, prefix=prefix)  # added last, so a request meets it first
    app.state.runtime = runtime
    app.state.failures = failures
    app.state.issuer = issuer
    app.state.streams = 0
    app.state.stopping = asyncio.Event()
