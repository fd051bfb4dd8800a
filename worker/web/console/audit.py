"""The audit page: who changed what, the latest first."""

from datetime import timedelta

from fastapi import Request
from fastapi.responses import Response

from worker.domain.change import Door
from worker.domain.errors import Invalid
from worker.domain.pages import Page
from worker.services.observe import audit as service
from worker.services.observe.audit import RecordedChange
from worker.web.console import render, words
from worker.web.console.answers import answer, page_request, query_text
from worker.web.console.forms import ago

USUAL = "7d"
AT_ONCE = 50
"""Changes on one page."""


def show(request: Request) -> Response:
    """Show the page, or return the same data as JSON."""
    if render.wants_json(request):
        return answer(
            Page[RecordedChange], _recorded(request, query_text(request, "since") or USUAL)
        )
    since, error = query_text(request, "since") or USUAL, None
    try:
        recorded = _recorded(request, since)
    except Invalid as wrong:
        recorded, error = Page[RecordedChange]([], None), str(wrong)
    return render.page(
        request,
        "audit",
        status=422 if error else 200,
        title="Audit",
        here="audit",
        headline=headline(recorded, since, is_later=query_text(request, "after") is not None),
        recorded=recorded,
        error=error,
        since=since,
        by=query_text(request, "by") or "",
        of=query_text(request, "of") or "",
        door=query_text(request, "door") or "",
        doors=[*Door],
    )


def headline(recorded: Page[RecordedChange], since: str, *, is_later: bool) -> str:
    """Write how many changes there were, and by how many accounts."""
    if not recorded.items:
        return (
            "Nothing more was changed." if is_later else f"Nothing was changed in the last {since}."
        )
    people = words.counted(len({one.who for one in recorded.items}), "account")
    more = "More than " if recorded.next else ""
    changes = words.counted(len(recorded.items), "change")
    return f"{more}{changes} by {people}{', older ones' if is_later else ''}."


def _door(request: Request) -> Door | None:
    text = query_text(request, "door")
    if text is not None and text not in [*Door]:
        raise Invalid("door", f"{text!r} is not one of {', '.join(Door)}")
    return None if text is None else Door(text)


def _recorded(request: Request, since: str) -> Page[RecordedChange]:
    runtime = render.runtime(request)
    page = page_request(request, limit=AT_ONCE)
    now = runtime.now()
    return service.recorded(
        runtime,
        ago("since", since, now) or now - timedelta(days=7),
        by=query_text(request, "by"),
        of=query_text(request, "of"),
        door=_door(request),
        limit=page.limit,
        after=page.after,
    )
