"""The search field: it leads to the CE, VO or pilot that a word names, or to a list of pilots."""

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from worker.domain.errors import AmbiguousPilot, Invalid, UnknownPilot
from worker.services.operate import ce_inventory, pilots, vo_inventory
from worker.services.runtime import Runtime
from worker.web.console import render
from worker.web.console.pilot_query import LONGEST


def to(request: Request) -> Response:
    """Redirect to a CE, a VO or a pilot, or to the list of matching pilots."""
    word = request.query_params.get("to", "").strip()
    if not word:
        return _go(request, "pilots")
    if len(word) > LONGEST or not word.isprintable():
        raise Invalid("to", f"use up to {LONGEST} printable characters")
    runtime = render.runtime(request)
    if word in ce_inventory.ce_names(runtime):
        return _go(request, "ces", word)
    if word in vo_inventory.vo_names(runtime):
        return _go(request, "vos", word)
    return _to_pilots(request, runtime, word)


def _to_pilots(request: Request, runtime: Runtime, word: str) -> Response:
    try:
        return _go(request, "pilots", pilots.show_pilot(runtime, word).id)
    except AmbiguousPilot:
        message = f"Several pilots match {word}."
    except UnknownPilot:
        message = (
            f"No CE, VO or pilot is called {word}. Pilots that may have this job id are below."
        )
    return render.back(request, "pilots", search=word, message=message)


def _go(request: Request, *parts: object) -> Response:
    return RedirectResponse(render.path_of(request)(*parts), 303)
