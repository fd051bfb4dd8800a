"""The requests of pilots, the only ones they may send: show the pilot, and report on itself."""

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from worker.domain.pilot_report import LONGEST_REASON, MOST_PAYLOADS, PilotState
from worker.services import pilot_reports
from worker.web import documents
from worker.web.callers import pilot_of

HOW = """
It needs the secret of the pilot instead of a token: the pilot finds it in the file that
`PILOTAGE_SECRET_FILE` names.
"""
ABOUT = f"""
A value that a pilot leaves out stays as it is. The answer says whether the pilot is to end.
{HOW}"""


class PilotReportBody(BaseModel):
    """What a pilot says of itself."""

    model_config = ConfigDict(extra="forbid")

    state: Annotated[PilotState | None, Field(description="What it does.")] = None
    payloads: Annotated[
        int | None,
        Field(strict=True, ge=0, le=MOST_PAYLOADS, description="Payloads that it has run."),
    ] = None
    reason: Annotated[str | None, Field(max_length=LONGEST_REASON, description="Why it ends.")] = (
        None
    )


class PilotAnswer(BaseModel):
    """The answer to a pilot."""

    stop: bool
    """Whether it is to end."""


class WhichPilot(BaseModel):
    """What the holder of a pilot's secret may know."""

    vo: str
    """The VO that the pilot is for."""

    stop: bool
    """Whether it is to end."""


def router() -> APIRouter:
    made = APIRouter(tags=["pilots"])
    made.add_api_route(
        "/pilots/me",
        show,
        methods=["GET"],
        operation_id="pilots_me",
        summary="Show whose pilot this is",
        description=f"It changes nothing.\n{HOW}".strip(),
        responses=documents.errors(401, 403, 429, 503),
        openapi_extra={"x-role": "pilot"},
    )
    made.add_api_route(
        "/pilots/me",
        report,
        methods=["PATCH"],
        operation_id="pilots_report",
        summary="Say what this pilot does",
        description=ABOUT.strip(),
        responses=documents.errors(401, 403, 413, 422, 429, 503),
        openapi_extra={"x-role": "pilot"},
    )
    return made


def show(request: Request) -> WhichPilot:
    speaker = pilot_reports.speaker(request.app.state.runtime, pilot_of(request))
    return WhichPilot(vo=speaker.vo, stop=speaker.is_unwanted)


def report(request: Request, body: PilotReportBody) -> PilotAnswer:
    runtime = request.app.state.runtime
    is_unwanted = pilot_reports.note(
        runtime,
        pilot_of(request),
        state=body.state,
        payloads=body.payloads,
        reason=body.reason,
    )
    return PilotAnswer(stop=is_unwanted)
