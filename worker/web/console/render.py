"""Rendering of pages: templates, the values of every page, and error pages."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from worker.domain import spelled
from worker.domain.access import Role
from worker.domain.change import Door
from worker.domain.errors import PilotageError, advice_of, title_of
from worker.services.requests import Once
from worker.services.runtime import Runtime
from worker.web.callers import caller_of, runtime_of
from worker.web.console import drawings, words
from worker.web.problems import status_of, type_of

FOLDER = Path(__file__).parent

MENU = (
    ("overview", "/", "Overview"),
    ("pilots", "/pilots", "Pilots"),
    ("explain", "/explain", "Explain"),
    ("ces", "/ces", "CEs"),
    ("vos", "/vos", "VOs"),
    ("report", "/report", "Report"),
    ("tasks", "/tasks", "Tasks"),
    ("credentials", "/credentials", "Credentials"),
    ("audit", "/audit", "Audit"),
)

_templates = Environment(
    loader=FileSystemLoader(FOLDER / "templates"),
    autoescape=select_autoescape(default=True, default_for_string=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.globals.update(
    number=words.number,
    chance=words.chance,
    percent=words.percent,
    moment=words.moment,
    length=words.length,
    age=words.age,
    counted=words.counted,
    listed=words.listed,
    seconds=words.seconds,
    changed=spelled.change,
    slots=drawings.slots,
    parts=drawings.parts,
    Role=Role,
)


def runtime(request: Request, once: Once | None = None) -> Runtime:
    """Return the runtime for the caller of a page or a form of the console."""
    return runtime_of(request, once, Door.CONSOLE)


def acting(request: Request, reason: str) -> Runtime:
    """Return the runtime for the sender of a form, with the reason for the audit."""
    used = runtime(request)
    if not reason:
        return used
    actor = replace(used.database.actor, reason=reason)
    return replace(used, database=used.database.used_by(actor))


def page(
    request: Request, name: str, *, status: int = 200, title: str, here: str = "", **values: Any
) -> HTMLResponse:
    """Make a page from its template. `here` is its place in the menu."""
    everywhere = _everywhere(request, title, here)
    made = _templates.get_template(f"{name}.html").render(**values, **everywhere)
    return HTMLResponse(made, status)


def growing_page(
    request: Request, name: str, *, title: str, here: str, **values: Any
) -> StreamingResponse:
    """Make a page whose parts are sent while its template produces them."""
    template = _templates.get_template(f"{name}.html")
    parts = template.generate(**values, **_everywhere(request, title, here))
    return StreamingResponse(parts, media_type="text/html")


def _everywhere(request: Request, title: str, here: str) -> dict[str, Any]:
    """Return the values of every page."""
    caller = caller_of(request)
    return {
        "title": title,
        "here": here,
        "menu": MENU,
        "path": path_of(request),
        "now": request.app.state.runtime.now(),
        "who": caller.token.name,
        "access": caller.access,
        "may": lambda role, vo=None: caller.access.may_for(role, vo),
        "is_person": caller.kind == "person",
        "message": request.query_params.get("message"),
        "here_url": _here(request),
    }


def error_page(request: Request, error: PilotageError) -> Response:
    """Show an error, and what to do."""
    kind = type(error)
    made = page(
        request,
        "error",
        status=status_of(kind),
        title=title_of(kind),
        headline=f"{title_of(kind)}.",
        details=[" ".join(str(part).split()) for part in error.details],
        advice=advice_of(kind),
        retry_after=error.retry_after,
        reference=type_of(kind),
    )
    if error.retry_after is not None:
        made.headers["Retry-After"] = str(error.retry_after)
    return made


def path_of(request: Request) -> Any:
    """Return a function that writes the address of a page: prefix, path and query."""
    prefix = request.scope.get("root_path", "")

    def path(*parts: object, **query: object) -> str:
        joined = "/".join(quote(str(part), safe="") for part in parts)
        left = [(name, one) for name, one in query.items() if one not in (None, "", False)]
        pairs = [
            (name, item) for name, one in left for item in (one if isinstance(one, list) else [one])
        ]
        return f"{prefix}/{joined}" + (f"?{urlencode(pairs)}" if pairs else "")

    return path


def _here(request: Request) -> str:
    query = request.url.query
    return request.url.path + (f"?{query}" if query else "")


def back(request: Request, *parts: object, message: str, **query: object) -> Response:
    """Redirect to a page after an action, with a message about it."""
    return RedirectResponse(path_of(request)(*parts, **query, message=message), 303)


def wants_json(request: Request) -> bool:
    """Return whether a program requests this address, and wants JSON."""
    accept = request.headers.get("accept", "")
    return "application/json" in accept and "text/html" not in accept
