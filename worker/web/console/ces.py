"""The CEs: which there are, how each is, and a form that adds one."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import Response

from worker.domain.errors import PilotageError
from worker.domain.pages import Page
from worker.services.ce_lines import CELine
from worker.services.observe import ces as observed
from worker.services.operate import ce_inventory as inventory
from worker.services.operate.ce_inventory import ListedCE
from worker.services.runtime import Runtime
from worker.web.console import render, states
from worker.web.console.answers import answer, page_request, query_text
from worker.web.console.forms import (
    LIMIT,
    PAIRS,
    TEXT,
    WHOLE,
    Form,
    FormField,
    FormGroup,
    read_form,
    refused,
    unfilled,
)
from worker.web.problems import status_of

AT_ONCE = 500
"""CEs on one page."""


@dataclass(frozen=True)
class CERow:
    """A CE in the table: its settings and its pilots."""

    ce: ListedCE
    line: CELine


def show(request: Request) -> Response:
    """Show the page, or the same for a program."""
    if render.wants_json(request):
        return answer(Page[ListedCE], _listed(request, limit=100))
    return _page(request, Form())


def add(request: Request, form: Annotated[Form, Depends(read_form)]) -> Response:
    """Add the CE that was typed."""
    runtime = render.runtime(request)
    try:
        new: Any = adding(runtime).read(form)
        added = inventory.add_ce(runtime, new)
    except PilotageError as error:
        return _page(request, refused(form, error), status_of(type(error)))
    return render.back(request, "ces", added.name, message=f"CE {added.name} was added.")


def adding(runtime: Runtime) -> FormGroup:
    """Return the form that adds a CE."""
    return FormGroup(
        "add",
        "Add a CE",
        (
            FormField("name", "Name", TEXT, "Letters, digits and . _ : @ / + -"),
            FormField("backend", "Back-end", TEXT, choices=sorted(runtime.backends)),
            FormField("capacity", "Capacity", WHOLE, "Pilots that it may hold."),
            FormField("waiting_limit", "Waiting limit", LIMIT, "Empty: as many as it may hold."),
            FormField("options", "Options", PAIRS, "One KEY=VALUE a line. VALUE may be JSON."),
        ),
    )


def rows(listed: list[ListedCE], lines: list[CELine]) -> list[CERow]:
    """Join settings and pilots; CEs that get no new pilots come first."""
    by_name = {line.name: line for line in lines}
    joined = [CERow(ce, by_name[ce.name]) for ce in listed if ce.name in by_name]
    return sorted(joined, key=lambda row: (states.is_normal(row.line), row.ce.name))


def _listed(request: Request, *, limit: int) -> Page[ListedCE]:
    return inventory.list_ces(
        render.runtime(request),
        search=query_text(request, "search"),
        tags=[tag for tag in request.query_params.getlist("tag") if tag],
        page=page_request(request, limit=limit),
    )


def _page(request: Request, tried: Form, status: int = 200) -> Response:
    runtime = render.runtime(request)
    listed, lines = _listed(request, limit=AT_ONCE), observed.lines(runtime)
    tags = sorted({tag for ce in listed.items for tag in ce.tags})
    return render.page(
        request,
        "ces",
        status=status,
        title="CEs",
        here="ces",
        headline=states.of_all(lines),
        rows=rows(listed.items, lines),
        total=len(lines),
        next=listed.next,
        search=query_text(request, "search") or "",
        tag=query_text(request, "tag") or "",
        tags=tags,
        word=states.word,
        adding=unfilled(adding(runtime), tried),
    )
