"""Whoever sends requests, with one token or another."""

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Route
from starlette.testclient import TestClient

from tests.web.site import Site

PROBLEM = "application/problem+json"


class Client:
    """Sends requests to the application within this process."""

    def __init__(self, app: FastAPI, site: Site, **options: Any) -> None:
        self.app, self.site = app, site
        self._client = TestClient(app, raise_server_exceptions=False, **options)

    def __call__(self, method: str, path: str, token: str | None = "admin", **more: Any) -> Any:
        """Send a request as the holder of a token; with none, as a stranger."""
        headers = {**self.site.headers(token), **more.pop("headers", {})}
        return self._client.request(method, path, headers=headers, **more)

    def get(self, path: str, token: str | None = "admin", **more: Any) -> Any:
        """Read, and expect that it may be read."""
        answer = self("GET", path, token, **more)
        assert answer.status_code == 200, (path, answer.text)
        return answer.json()


def problem_of(answer: Any, status: int, kind: str | None = None) -> dict[str, Any]:
    """Expect a problem document of this status and kind; return what it says."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    values: dict[str, Any] = answer.json()
    assert values["status"] == status
    assert {"type", "title", "status", "detail"} <= values.keys()
    if kind is not None:
        assert values["type"].endswith(f"/{kind}"), values
    return values


def paths_of(app: FastAPI) -> set[tuple[str, str]]:
    """Return the method and the path of everything that the application serves."""
    served: set[tuple[str, str]] = set()
    for route in app.routes:
        served |= _of_route(route)
    return served


def _of_route(route: BaseRoute) -> set[tuple[str, str]]:
    if isinstance(route, Route | APIRoute):
        methods = (route.methods or set()) - {"HEAD"}
        return {(method, route.path) for method in methods}
    # A router that was included, with its own prefix.
    candidates = route.effective_candidates()  # type: ignore[attr-defined]
    return {one for candidate in candidates for one in _of_candidate(candidate)}


def _of_candidate(candidate: Any) -> set[tuple[str, str]]:
    if hasattr(candidate, "effective_candidates"):
        return {one for below in candidate.effective_candidates() for one in _of_candidate(below)}
    return {(method, candidate.path) for method in (candidate.methods or set()) - {"HEAD"}}
