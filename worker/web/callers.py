"""Who sends a request: known by a token before anything else of the request is read."""

from collections.abc import MutableMapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Literal

from anyio.to_thread import run_sync
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from worker.domain.access import Access
from worker.domain.errors import NotAllowed, NotSignedIn, PilotageError
from worker.domain.token import Token, TokenKind
from worker.services import requests
from worker.services.operate import tokens
from worker.services.runtime import Runtime
from worker.web.attempts import Attempts
from worker.web.problems import problem

OPEN = frozenset({"/health/live", "/.well-known/openid-configuration"})
"""What everybody may read."""

SIGNING_IN = frozenset(
    {
        "/sign-in",
        "/sign-in/script.js",
        "/sign-in/style.css",
        "/sign-in/link",
        "/sign-in/oidc",
        "/sign-in/oidc/back",
    }
)
"""Where somebody without a token gets one."""

COOKIE = "pilotage_session"

NOT_FROM_ELSEWHERE = "a session begins, and changes something, only from its own pages"

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Somebody who sends requests."""

    token: Token
    secret: str

    @property
    def access(self) -> Access:
        return self.token.access

    @property
    def kind(self) -> Literal["token", "person"]:
        return "token" if self.token.kind is TokenKind.TOKEN else "person"

    @property
    def who(self) -> str:
        """The name that stands on what they change."""
        return f"{self.token.name} ({self.kind})"


def caller_of(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


def runtime_of(request: Request, once: requests.Once | None = None) -> Runtime:
    """Return the runtime for a request: in the name of its caller."""
    caller = caller_of(request)
    return requests.used_by(request.app.state.runtime, caller.who, caller.access, once)


class Gate:
    """Lets nobody through who is not known, and slows down who guesses."""

    def __init__(self, app: ASGIApp, runtime: Runtime, attempts: Attempts) -> None:
        self._app = app
        self._runtime = runtime
        self._attempts = attempts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _path(scope) in OPEN:
            await self._app(scope, receive, send)
            return
        address = address_of(scope)
        try:
            self._attempts.check(address)
            if _path(scope) not in SIGNING_IN:
                await self._admit(scope, address)
        except PilotageError as error:
            await self._refuse(scope, error)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _refuse(self, scope: Scope, error: PilotageError) -> Response:
        """Answer a request that is not let through; a person who only looks may sign in."""
        headers = Headers(scope=scope)
        is_person = "text/html" in headers.get("accept", "") and scope["method"] == "GET"
        is_page = is_person and not _path(scope).startswith("/api")
        if isinstance(error, NotSignedIn) and is_page and _bearer(headers) is None:
            return RedirectResponse(f"{scope.get('root_path', '')}/sign-in", 303)
        return problem(error, scope)

    async def _admit(self, scope: Scope, address: str) -> None:
        headers = Headers(scope=scope)
        secret = _bearer(headers)
        if secret is None:
            secret = _session(headers)
            if secret is not None and scope["method"] not in SAFE:
                require_origin(headers)
        if secret is None:
            raise NotSignedIn("send 'Authorization: Bearer TOKEN', or sign in")
        try:
            token = await run_sync(tokens.identify, self._runtime, secret)
        except NotSignedIn:
            self._attempts.note_failure(address)  # who sends no secret guesses none
            raise
        state: MutableMapping[str, object] = scope.setdefault("state", {})
        state["caller"] = Caller(token=token, secret=secret)


def address_of(scope: Scope) -> str:
    """Return the address that a request comes from."""
    return scope["client"][0] if scope.get("client") else "?"


def _path(scope: Scope) -> str:
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "")) or "/"


def _bearer(headers: Headers) -> str | None:
    word, _, secret = headers.get("authorization", "").partition(" ")
    return secret.strip() if word.lower() == "bearer" else None


def _session(headers: Headers) -> str | None:
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return cookie.value if cookie else None


def require_origin(headers: Headers) -> None:
    """Refuse a change that another site has a browser send: a cookie goes with it all the same."""
    if "origin" not in headers:
        raise NotAllowed(NOT_FROM_ELSEWHERE, "use a token")
    require_own_origin(headers)


def require_own_origin(headers: Headers) -> None:
    """Refuse what a browser sends from a page of another site."""
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2] != headers.get("host"):
        raise NotAllowed(NOT_FROM_ELSEWHERE, "use a token")
