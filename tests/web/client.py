"""A client that sends requests, with one token or another."""

from typing import Any

from fastapi import FastAPI
from starlette.testclient import TestClient

from tests.web.site import Site

PROBLEM = "application/problem+json"


class Client:
    """Sends requests to the application within this process."""

    def __init__(self, app: FastAPI, site: Site, **options: Any) -> None:
        self.app, self.site, self.options = app, site, options
        self._client = self.at("10.1.1.1")

    def at(self, host: str) -> TestClient:
        """Return a client at an address."""
        options = {"raise_server_exceptions": False, **self.options}
        return TestClient(self.app, client=(host, 50000), **options)

    def __call__(self, method: str, path: str, token: str | None = "admin", **more: Any) -> Any:
        """Send a request as the holder of a token; with none, as a stranger."""
        headers = {**self.site.headers(token), **more.pop("headers", {})}
        return self._client.request(method, path, headers=headers, **more)

    def get(self, path: str, token: str | None = "admin", **more: Any) -> Any:
        """Read a path, and expect success."""
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
    return {one for route in app.routes for one in _of_route(route)}


def _of_route(route: Any) -> set[tuple[str, str]]:
    if hasattr(route, "effective_candidates"):  # a router that was included
        return {one for below in route.effective_candidates() for one in _of_route(below)}
    return {(method, route.path) for method in (route.methods or set()) - {"HEAD"}}
