"""The page of all VOs: their demand and settings, and a form that adds one."""

from functools import partial
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from worker.domain.pages import Page
from worker.services.operate import vo_inventory as inventory
from worker.services.operate.vo_inventory import ShownVO
from worker.web.console import render, words
from worker.web.console.answers import answer, page_request, query_text
from worker.web.console.forms import (
    LIMIT,
    NUMBER,
    SOURCE,
    TEXT,
    Form,
    FormField,
    FormGroup,
    ReadForm,
    done_or_shown,
    new_form,
)

AT_ONCE = 500
"""VOs on one page."""

ADDING = FormGroup(
    "add",
    "Add a VO",
    (
        FormField("name", "Name", TEXT, "Letters, digits and . _ : @ / + -"),
        FormField("share", "Share", NUMBER, "Its weight where VOs compete for slots."),
        FormField("limit", "Limit", LIMIT, "The most pilots at once. Empty: no limit."),
        FormField(
            "demand", "Demand", LIMIT, "Waiting and new pilots that it wants. Empty: any number."
        ),
        FormField("source", "Source of demand", SOURCE, "kind=http, then its options, one a line."),
    ),
)
USUAL = {"share": "1"}


def show(request: Request) -> Response:
    """Show the page, or return the same data as JSON."""
    if render.wants_json(request):
        return answer(Page[ShownVO], _listed(request, limit=100))
    return _page(request, Form())


def add(request: Request, form: ReadForm) -> Response:
    """Add a VO with the values of the form."""

    def do() -> Response:
        new: Any = ADDING.read(form)
        name = inventory.add_vo(render.acting(request, form.why), new).name
        return render.back(request, "vos", name, message=f"VO {name} was added.")

    return done_or_shown(form, do, partial(_page, request))


def headline(vos: list[ShownVO]) -> str:
    """Write how many VOs there are, and which are disabled, draining or without work."""
    off = [vo.name for vo in vos if state(vo) != "normal"]
    idle = [vo.name for vo in vos if vo.without_work_since and state(vo) == "normal"]
    parts = [words.counted(len(vos), "VO")]
    if off:
        parts.append(f"nothing is sent for {_some(off)}")
    if idle:
        parts.append(f"the pilots of {_some(idle)} find no work")
    return (
        f"{words.listed(parts)}." if len(parts) == 1 else f"{parts[0]}: {words.listed(parts[1:])}."
    )


def state(vo: ShownVO) -> str:
    if not vo.enabled:
        return "disabled"
    return "draining" if vo.draining else "normal"


def wants(vo: ShownVO) -> str:
    """Write how many more pilots a VO could use; its source is not asked."""
    if vo.source is not None:
        return "asked of its source"
    return "any number" if vo.demand is None else words.number(vo.demand)


def _some(names: list[str]) -> str:
    return words.listed(names) if len(names) <= 3 else f"{words.number(len(names))} of them"


def _listed(request: Request, *, limit: int) -> Page[ShownVO]:
    return inventory.list_vos(
        render.runtime(request),
        search=query_text(request, "search"),
        page=page_request(request, limit=limit),
    )


def _page(request: Request, tried: Form, status: int = 200) -> Response:
    listed = _listed(request, limit=AT_ONCE)
    return render.page(
        request,
        "vos",
        status=status,
        title="VOs",
        here="vos",
        headline=headline(listed.items),
        vos=listed.items,
        next=listed.next,
        search=query_text(request, "search") or "",
        state=state,
        wants=wants,
        adding=new_form(ADDING, tried, USUAL),
    )
