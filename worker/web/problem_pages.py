"""The pages to which the types of problems refer: each explains a kind of error, and what to do."""

from fastapi import APIRouter, Request
from pydantic import BaseModel

from worker.domain.errors import NotFound, advice_of, kinds, title_of
from worker.web import documents
from worker.web.problems import PAGES, status_of, type_of
from worker.web.rights import READING, GuardedRoute, documented


class ProblemKind(BaseModel):
    """A kind of error."""

    type: str
    title: str
    status: int
    advice: str
    """What to do."""


def router() -> APIRouter:
    made = APIRouter(tags=["problems"], route_class=GuardedRoute)
    made.add_api_route(
        f"{PAGES.removeprefix('/api')}/{{kind}}",
        page,
        operation_id="problems_page",
        summary="Explain a kind of error, and say what to do",
        description=documents.description("The `type` of a problem refers to this page.", READING),
        responses=documents.errors(401, 403, 404, 413, 422, 429, 503),
        openapi_extra=documented(READING),
    )
    return made


def page(request: Request, kind: str) -> ProblemKind:
    named = kinds().get(kind)
    if named is None:
        raise NotFound("problem", "no kind of error has this name")
    return ProblemKind(
        type=type_of(named, request.scope.get("root_path", "")),
        title=title_of(named),
        status=status_of(named),
        advice=advice_of(named),
    )
