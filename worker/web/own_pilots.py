"""The API of the pilot system from which Pilotage was developed: submit a pilot, count pilots."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from worker.domain.pilot import Status
from worker.domain.vo import DEFAULT_VO
from worker.services.allowed import right_of
from worker.services.operate import pilot_sets
from worker.services.operate.pilot_sets import HeldSlots
from worker.services.requests import AnsweredBefore
from worker.web import documents
from worker.web.callers import runtime_of
from worker.web.repeats import Key, once_for
from worker.web.rights import READING, GuardedRoute, documented
from worker.web.routes import SLASH

OPERATING = right_of(pilot_sets.submit)


def router() -> APIRouter:
    made = APIRouter(prefix="/my_pilots", tags=["my_pilots"], route_class=GuardedRoute)
    made.add_api_route(
        "/submit/{ce}",
        submit,
        methods=["POST"],
        operation_id="my_pilots_submit",
        summary="Hold a slot of a CE for a pilot",
        description=documents.description("The next dispatch sends it.", OPERATING),
        responses=documents.errors(401, 403, 404, 409, 413, 422, 429, 503),
        openapi_extra=documented(OPERATING),
    )
    made.add_api_route(
        "/summary",
        summary,
        methods=["GET"],
        operation_id="my_pilots_summary",
        summary="Count the pilots by status",
        description=documents.description("A status without pilots is left out.", READING),
        responses=documents.errors(401, 403, 422, 429, 503),
        openapi_extra=documented(READING),
    )
    return made


def submit(
    request: Request,
    ce: Annotated[str, Path(description=documents.PARAMETERS["ce"])],
    vo: Annotated[str, Query(description=documents.PARAMETERS["vo"])] = DEFAULT_VO,
    key: Key = None,
) -> int:
    """Submit a pilot; return its number."""
    once = once_for(request, key, (ce, vo), _number)
    try:
        return _number(pilot_sets.submit(runtime_of(request, once), ce.replace(SLASH, "/"), vo))
    except AnsweredBefore as before:
        return int(before.answer)


def _number(held: HeldSlots) -> int:
    return held.pilots[0]


def summary(request: Request) -> dict[Status, int]:
    return pilot_sets.count_by_status(runtime_of(request))
