"""The API of DiracX's pilots service, with the same requests, so that its client can be used."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from worker.domain import dirac
from worker.domain.access import Role
from worker.domain.dirac import DiracStatus, PilotChange, Registration, Search, Section
from worker.domain.errors import PastTheEnd, UnknownCE, UnknownVO
from worker.services.allowed import Right
from worker.services.operate import dirac_pilots
from worker.web import documents
from worker.web.callers import runtime_of
from worker.web.problems import problem
from worker.web.rights import READING, GuardedRoute, documented

DISCOVERY = "/.well-known/openid-configuration"
"""The page that DiracX's client reads first."""

Scalar = Literal["eq", "neq", "gt", "lt", "like", "not like", "regex"]
Vector = Literal["in", "not in"]
Text = Annotated[str, Field(max_length=dirac.LONGEST_VALUE)]
Stamp = Annotated[str, Field(min_length=1, max_length=32)]
ShortText = Annotated[str, Field(max_length=32)]
Name = Annotated[str, Field(max_length=128)]


class Strict(BaseModel):
    """Refuses unknown keys."""

    model_config = ConfigDict(extra="forbid")


class ScalarCondition(Strict):
    """A comparison with one value."""

    parameter: Text
    operator: Scalar
    value: Text | int

    def read(self) -> dirac.Condition:
        return dirac.condition(self.parameter, self.operator, [self.value])


class VectorCondition(Strict):
    """A comparison with some values."""

    parameter: Text
    operator: Vector
    values: Annotated[list[Text] | list[int], Field(max_length=dirac.MOST_VALUES)]

    def read(self) -> dirac.Condition:
        return dirac.condition(self.parameter, self.operator, self.values)


Conditions = Annotated[
    list[ScalarCondition | VectorCondition], Field(max_length=dirac.MOST_CONDITIONS)
]
Names = Annotated[list[Text], Field(max_length=len(dirac.COLUMNS))]


class DiracOrder(Strict):
    """A column to sort by."""

    parameter: Text
    direction: Literal["asc", "desc"]


class DiracSearch(Strict):
    """A search for pilots: the columns, the conditions that must all hold, and the order."""

    parameters: Names | None = None
    search: Conditions = []
    sort: Annotated[list[DiracOrder], Field(max_length=len(dirac.COLUMNS))] = []
    distinct: Literal[False] = False


class DiracSummary(Strict):
    """The columns by which pilots are counted, and conditions on the pilots."""

    grouping: Names
    search: Conditions = []


class DiracRegistration(Strict):
    """A pilot that another program sends: DestinationSite is the name of the CE."""

    pilot_stamp: Stamp
    vo: Annotated[str, Field(min_length=1, max_length=128)]
    grid_type: ShortText = "DIRAC"
    grid_site: Name = "Unknown"
    destination_site: Name = "NotAssigned"
    pilot_reference: Annotated[str, Field(max_length=255)] | None = None
    pilot_status: DiracStatus = DiracStatus.SUBMITTED


class DiracMetadata(Strict):
    """A report on a pilot; values that are left out do not change."""

    Status: DiracStatus | None = None
    StatusReason: Annotated[str, Field(max_length=255)] | None = None
    BenchMark: Annotated[float, Field(allow_inf_nan=False)] | None = None
    DestinationSite: Name | None = None
    Queue: Name | None = None
    GridSite: Name | None = None
    GridType: ShortText | None = None
    AccountingSent: bool | None = None
    CurrentJobID: int | None = None

    def read(self) -> PilotChange:
        others = self.model_dump(exclude={"Status", "StatusReason"}, exclude_none=True)
        return PilotChange(status=self.Status, reason=self.StatusReason, others=others)


class DiscoveryPage(BaseModel):
    """Where DiracX's client would get tokens. No grant is supported, so it gets none."""

    issuer: str
    token_endpoint: str
    grant_types_supported: list[str] = []


OPERATING = Right(role=Role.OPERATE, for_one_vo=True)

_ROWS = TypeAdapter(Sequence[Mapping[str, Any]])


def router() -> APIRouter:
    made = APIRouter(prefix="/pilots", tags=["diracx"], route_class=GuardedRoute)
    _add(
        made,
        ("POST", "/", register, OPERATING, 201),
        "Register a pilot that somebody else sends",
        dirac_pilots.register.__doc__,
        400,
        409,
    )
    _add(
        made,
        ("PATCH", "/metadata", change, OPERATING, 204),
        "Report on pilots, by their stamps",
        dirac_pilots.report.__doc__,
        404,
        409,
    )
    _add(
        made,
        ("POST", "/search", search, READING, 200),
        "Read a page of pilots",
        """
        If there are more, the status is 206, and Content-Range says which these are: `pilots
        0-99/4321`. The total is `*` where nobody counted it.
        """,
        416,
    )
    _add(
        made,
        ("POST", "/summary", summary, READING, 200),
        "Count pilots by some of their columns",
        "Each row has the columns and a `count`.",
    )
    return made


def _add(
    made: APIRouter,
    route: tuple[str, str, Any, Right, int],
    summary: str,
    more: str | None,
    *statuses: int,
) -> None:
    method, path, action, right, status = route
    nothing = status in (201, 204)
    responses = documents.errors(401, 403, 413, 422, 429, 503, *statuses)
    if 416 in statuses:
        responses[206] = {"description": "A part of the pilots", "model": list[dict[str, Any]]}
    made.add_api_route(
        path,
        action,
        methods=[method],
        status_code=status,
        response_model=None if nothing else list[dict[str, Any]],
        operation_id=f"diracx_{action.__name__}",
        summary=summary,
        description=documents.description((more or "").partition("\n\n")[2] or more or "", right),
        responses=responses,
        openapi_extra=documented(right),
    )


def register(request: Request, body: DiracRegistration) -> Response:
    registration = Registration(
        stamp=body.pilot_stamp,
        vo=body.vo,
        ce=body.destination_site,
        status=body.pilot_status,
        reference=body.pilot_reference,
        more={"grid_type": body.grid_type, "grid_site": body.grid_site},
    )
    try:
        dirac_pilots.register(runtime_of(request), registration)
    except (UnknownVO, UnknownCE) as error:
        return problem(error, request.scope, 400)
    return JSONResponse(None, 201)


def change(request: Request, body: dict[str, DiracMetadata]) -> None:
    changes = {stamp: metadata.read() for stamp, metadata in body.items()}
    dirac_pilots.report(runtime_of(request), changes)


def search(
    request: Request,
    body: DiracSearch | None = None,
    page: Annotated[int, Query(ge=1, le=dirac.LARGEST_NUMBER)] = 1,
    per_page: Annotated[int, Query(ge=1, le=dirac.LONGEST_PAGE)] = 100,
) -> Response:
    body = body or DiracSearch()
    wanted = Search(
        columns=body.parameters or (),
        conditions=[one.read() for one in body.search],
        order=[(one.parameter, one.direction == "desc") for one in body.sort],
        page=page,
        length=per_page,
    )
    return _section(request, dirac_pilots.search(runtime_of(request), wanted))


def summary(request: Request, body: DiracSummary) -> Response:
    conditions = [one.read() for one in body.search]
    return _rows(dirac_pilots.summary(runtime_of(request), body.grouping, conditions))


def _section(request: Request, section: Section) -> Response:
    """Return a page, with the part of the list that it is; its pilots are numbered from 0."""
    number, total = len(section.pilots), section.total
    if total == number:
        return _rows(section.pilots)
    if number:
        last = section.begin + number - 1
        part = f"pilots {section.begin}-{last}/{'*' if total is None else total}"
        return _rows(section.pilots, 206, part)
    answer = problem(PastTheEnd(f"it has {total} pilots"), request.scope)
    answer.headers["Content-Range"] = f"pilots */{total}"
    return answer


def _rows(
    rows: Sequence[Mapping[str, Any]], status: int = 200, part: str | None = None
) -> Response:
    headers = {} if part is None else {"Content-Range": part}
    content = _ROWS.dump_json(rows)
    return Response(content, status, headers, media_type="application/json")


def discovery() -> APIRouter:
    """Make the page that DiracX's client needs in order to begin; everybody may read it."""
    made = APIRouter(tags=["diracx"])

    async def configuration(request: Request) -> DiscoveryPage:
        base = str(request.base_url)
        return DiscoveryPage(issuer=base, token_endpoint=f"{base}api/tokens")

    made.add_api_route(
        DISCOVERY,
        configuration,
        operation_id="diracx_discovery",
        summary="Say where tokens are issued",
        description="DiracX's client reads it first. It is open to everybody, and shows no secret.",
    )
    return made
