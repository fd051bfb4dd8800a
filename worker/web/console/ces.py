"""The page of all CEs: their states and pilots, and a form that adds one."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from worker.domain.errors import Invalid
from worker.domain.pages import MOST, Page, PageRequest
from worker.services.ce_lines import NORMAL, CELine, without_reason
from worker.services.observe import ces as observed
from worker.services.operate import ce_inventory as inventory
from worker.services.operate.ce_inventory import ListedCE
from worker.services.runtime import Runtime
from worker.web.console import render, states
from worker.web.console.answers import answer, page_request, query_text
from worker.web.console.ce_rows import AT_ONCE, FOLDED, sums
from worker.web.console.forms import (
    LIMIT,
    PAIRS,
    TEXT,
    WHOLE,
    Form,
    FormField,
    FormGroup,
    ReadForm,
    done_or_shown,
    new_form,
)


@dataclass(frozen=True)
class CERow:
    """A row of the table: the settings of a CE and its pilots."""

    ce: ListedCE
    line: CELine


def show(request: Request) -> Response:
    """Show the page, or return the same data as JSON."""
    if render.wants_json(request):
        return answer(Page[ListedCE], _listed(request, page_request(request, limit=100)))
    return _page(request, Form())


def add(request: Request, form: ReadForm) -> Response:
    """Add a CE with the values of the form."""

    def do() -> Response:
        runtime = render.acting(request, form.why)
        new: Any = adding(runtime).read(form)
        name = inventory.add_ce(runtime, new).name
        return render.back(request, "ces", name, message=f"CE {name} was added.")

    return done_or_shown(form, do, partial(_page, request))


def adding(runtime: Runtime) -> FormGroup:
    """Return the form that adds a CE."""
    return FormGroup(
        "add",
        "Add a CE",
        (
            FormField("name", "Name", TEXT, "Letters, digits and . _ : @ / + -"),
            FormField("backend", "Back-end", TEXT, choices=sorted(runtime.backends)),
            FormField("capacity", "Capacity", WHOLE, "The most pilots at once."),
            FormField("waiting_limit", "Waiting limit", LIMIT, "Empty: as many as the capacity."),
            FormField("options", "Options", PAIRS, "One KEY=VALUE a line. VALUE may be JSON."),
        ),
    )


def rows(listed: list[ListedCE], lines: list[CELine]) -> list[CERow]:
    """Join the settings and pilots of each CE; CEs that get no new pilots come first."""
    by_name = {line.name: line for line in lines}
    joined = [CERow(ce, by_name[ce.name]) for ce in listed if ce.name in by_name]
    return sorted(joined, key=lambda row: _place(row.line))


def _place(line: CELine) -> tuple[int, str]:
    """Return the sort key of a CE in the table: by urgency of its state, then by name."""
    return states.PLACES[states.short(states.shown(line))], line.name


def part_of(table: list[CERow], page: PageRequest) -> tuple[list[CERow], str | None]:
    """Return the rows of one page, and the CE after which the next page begins, if there is one."""
    begin, most = 0, min(page.limit, AT_ONCE)
    if page.after is not None:
        places = [number for number, row in enumerate(table, 1) if row.ce.name == page.after]
        if not places:
            raise Invalid("after", "it is not the name of a CE in this table: load the page again")
        begin = places[0]
    part = table[begin : begin + most]
    return part, part[-1].ce.name if begin + most < len(table) else None


def _listed(request: Request, page: PageRequest) -> Page[ListedCE]:
    return inventory.list_ces(
        render.runtime(request),
        search=query_text(request, "search"),
        tags=[tag for tag in request.query_params.getlist("tag") if tag],
        page=page,
    )


def _page(request: Request, tried: Form, status: int = 200) -> Response:
    runtime = render.runtime(request)
    page = page_request(request, limit=AT_ONCE)
    listed, lines = _listed(request, PageRequest(limit=MOST)).items, observed.lines(runtime)
    state = query_text(request, "state")
    table = rows(listed, lines)
    matching = [row for row in table if state in (None, states.short(states.shown(row.line)))]
    is_narrowed = any(query_text(request, name) for name in ("search", "tag", "state", "after"))
    normal = [row.line for row in matching if row.line.gets_pilots]
    is_folded = len(table) >= FOLDED and not is_narrowed
    if is_folded:
        matching = [row for row in matching if not row.line.gets_pilots]
    part, following = part_of(matching, page)
    return render.page(
        request,
        "ces",
        status=status,
        title="CEs",
        here="ces",
        headline=states.of_all(lines),
        rows=part,
        matches=len(matching),
        folded=sums(normal) if is_folded and normal else None,
        total=len(lines),
        next=following,
        search=query_text(request, "search") or "",
        tag=query_text(request, "tag") or "",
        state=state or "",
        state_words=[*states.SHORT, NORMAL],
        tags=sorted({tag for ce in listed for tag in ce.tags}),
        word=without_reason,
        shown=states.shown,
        adding=new_form(adding(runtime), tried),
    )
