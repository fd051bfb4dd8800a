"""The routes of the pages and of their static files."""

from mimetypes import guess_type

from fastapi import APIRouter
from fastapi.responses import Response

from worker.web.console import (
    audit,
    ce,
    ces,
    credentials,
    go,
    overview,
    pilot,
    pilots,
    report,
    tasks,
    vo,
    vos,
)
from worker.web.console.explain import page as explain
from worker.web.console.render import FOLDER, error_page

__all__ = ["error_page", "router"]

_FILES = {
    path.name: (path.read_bytes(), guess_type(path.name)[0] or "text/plain")
    for path in sorted((FOLDER / "static").iterdir())
}
"""All static files. They are few and small, and no other file is ever served."""


def router() -> APIRouter:
    """Make the routes of the pages."""
    made = APIRouter(include_in_schema=False)
    made.add_api_route("/", overview.show)
    made.add_api_route("/explain", explain.show)
    made.add_api_route("/go", go.to)
    made.add_api_route("/pilots", pilots.show)
    made.add_api_route("/pilots/cancel", pilots.ask)
    made.add_api_route("/pilots/cancel", pilots.cancel, methods=["POST"])
    made.add_api_route("/pilots/cancel-named", pilots.cancel_named, methods=["POST"])
    made.add_api_route("/pilots/submit", pilots.submit, methods=["POST"])
    made.add_api_route("/pilots/{which}", pilot.show)
    made.add_api_route("/ces", ces.show)
    made.add_api_route("/ces", ces.add, methods=["POST"])
    made.add_api_route("/ces/{name}", ce.show)
    made.add_api_route("/ces/{name}", ce.change, methods=["POST"])
    made.add_api_route("/vos", vos.show)
    made.add_api_route("/vos", vos.add, methods=["POST"])
    made.add_api_route("/vos/{name}", vo.show)
    made.add_api_route("/vos/{name}", vo.change, methods=["POST"])
    made.add_api_route("/report", report.show)
    made.add_api_route("/tasks", tasks.show)
    made.add_api_route("/tasks", tasks.change, methods=["POST"])
    made.add_api_route("/credentials", credentials.show)
    made.add_api_route("/credentials", credentials.change, methods=["POST"])
    made.add_api_route("/audit", audit.show)
    made.add_api_route("/static/{name}", _file)
    return made


async def _file(name: str) -> Response:
    if name not in _FILES:
        return Response(status_code=404)
    content, kind = _FILES[name]
    return Response(content, media_type=kind, headers={"Cache-Control": "private, max-age=600"})
