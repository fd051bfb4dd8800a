"""Health checks: whether this process is alive, and whether the installation can do its work."""

from collections.abc import Callable, Mapping

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel, TypeAdapter

from worker.services.observe import metrics as numbers
from worker.services.observe.readiness import Readiness, readiness
from worker.web import documents
from worker.web.callers import runtime_of
from worker.web.rights import READING, GuardedRoute, documented


class LifeSign(BaseModel):
    """This process is alive."""

    is_alive: bool = True


_READINESS = TypeAdapter(Readiness)


def open_router() -> APIRouter:
    """Make the route that everybody may read."""
    made = APIRouter(tags=["health"])

    async def live() -> LifeSign:
        return LifeSign()

    made.add_api_route(
        "/health/live",
        live,
        operation_id="health_live",
        summary="Say that this process is alive",
        description="It is open to everybody, and uses no database.",
    )
    return made


def router(checks: Mapping[str, Callable[[], object]]) -> APIRouter:
    """Make the routes that require a role."""
    made = APIRouter(tags=["health"], route_class=GuardedRoute)

    def ready(request: Request) -> JSONResponse:
        answer = readiness(runtime_of(request), checks)
        return JSONResponse(_READINESS.dump_python(answer), 200 if answer.is_ready else 503)

    def metrics(request: Request) -> PlainTextResponse:
        text = numbers.metrics(runtime_of(request))
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")

    made.add_api_route(
        "/health/ready",
        ready,
        operation_id="health_ready",
        summary="Say which parts of the installation work",
        description=documents.description("The status is 503 if a part does not work.", READING),
        response_model=Readiness,
        responses={
            503: {"description": "Something does not work", "model": Readiness},
            **documents.errors(401, 403, 429),
        },
        openapi_extra=documented(READING),
    )
    made.add_api_route(
        "/metrics",
        metrics,
        operation_id="health_metrics",
        summary="Print the numbers that Prometheus reads",
        description=documents.description("", READING),
        response_class=PlainTextResponse,
        responses=documents.errors(401, 403, 429, 503),
        openapi_extra=documented(READING),
    )
    return made
