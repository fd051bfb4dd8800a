"""A client that has signed in to the pages of a runtime."""

from typing import Any

from starlette.testclient import TestClient

from tests.web.apps import app_on
from worker.domain.access import Role
from worker.services.operate import tokens
from worker.services.runtime import Runtime
from worker.web.callers import COOKIE

HOME = "http://testserver"


def signed_in(
    runtime: Runtime, role: Role, vo: str | None = None, *, who: str = "op1", **options: Any
) -> TestClient:
    """Return a client in the process of the test, with the cookie of a session."""
    session = tokens.begin_session(runtime, who, role, vo)
    app = app_on(runtime)
    return TestClient(app, HOME, cookies={COOKIE: session.secret}, **options)
