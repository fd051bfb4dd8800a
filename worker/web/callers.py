"""The caller of a request, identified by a token before the rest of the request is read."""

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Literal

from anyio.to_thread import run_sync
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from worker.domain.access import Access
from worker.domain.change import Door
from worker.domain.errors import NotAllowed, NotSignedIn, PilotageError
from worker.domain.pilot_secret import is_pilot_secret
from worker.domain.token import Token, TokenKind
from worker.services import requests
from worker.services.operate import tokens
from worker.services.runtime import Runtime
from worker.web.paces import Pace, pace_of_failures, pace_of_reports
from worker.web.plain_pages import is_for_a_person
from worker.web.problems import plain_page, problem

OPEN = frozenset({"/health/live", "/.well-known/openid-configuration", "/sign-in/style.css"})
"""The paths that everybody may read, even an address that was slowed down."""

SIGNING_IN = frozenset(
    {
        "/sign-in",
        "/sign-in/script.js",
        "/sign-in/link",
        "/sign-in/oidc",
        "/sign-in/oidc/back",
    }
)
"""The paths at which somebody without a token can sign in."""

OF_PILOTS = frozenset({("GET", "/api/pilots/me"), ("PATCH", "/api/pilots/me")})
"""The requests that only a pilot may send."""

COOKIE = "pilotage_session"

NOT_FROM_ELSEWHERE = "only pages of this console may sign in or change something by a session"

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""The methods that change nothing."""


@dataclass(frozen=True, kw_only=True)
class Caller:
    """A program or person who sends requests."""

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
        """The name in the audit of what they change."""
        return f"{self.token.name} ({self.kind})"


@dataclass(frozen=True)
class PilotCaller:
    """A pilot that sends its own reports."""

    stamp: str


def pilot_of(request: Request) -> str:
    """Return the stamp of the pilot that sends a request."""
    pilot: PilotCaller = request.state.caller
    return pilot.stamp


def caller_of(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


def identify_again(request: Request) -> None:
    """Refuse the caller of a long request whose token or session has ended meanwhile."""
    tokens.identify(request.app.state.runtime, caller_of(request).secret)


def runtime_of(
    request: Request, once: requests.Once | None = None, door: Door = Door.API
) -> Runtime:
    """Return the runtime for a request, with its caller and its door."""
    caller, runtime = caller_of(request), request.app.state.runtime
    return requests.used_by(runtime, caller.who, caller.access, once, door=door)


class Gate:
    """Admits known callers, and slows down addresses that guess secrets.

    Failed attempts with the secret of a pilot are counted separately. So a misbehaving pilot does
    not shut out people behind the same address, nor the pilots there with valid secrets.
    """

    def __init__(self, app: ASGIApp, runtime: Runtime, failures: Pace) -> None:
        self._app = app
        self._runtime = runtime
        self._failures = failures
        self._failures_of_pilots = pace_of_failures()
        self._reports = pace_of_reports()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _path(scope) in OPEN:
            await self._app(scope, receive, send)
            return
        secret = _bearer(Headers(scope=scope))
        is_pilot = secret is not None and is_pilot_secret(secret)
        try:
            if secret is not None and is_pilot:
                self._admit_pilot(scope, secret)
            else:
                await self._admit_others(scope)
        except PilotageError as error:
            await self._refuse(scope, error)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _refuse(self, scope: Scope, error: PilotageError) -> Response:
        """Return the answer to a refused request; a person who reads a page may sign in."""
        headers = Headers(scope=scope)
        if not is_for_a_person(scope) or _bearer(headers) is not None:
            return problem(error, scope)
        if isinstance(error, NotSignedIn) and scope["method"] == "GET":
            return RedirectResponse(f"{scope.get('root_path', '')}/sign-in", 303)
        return plain_page(error, scope)

    def _admit_pilot(self, scope: Scope, secret: str) -> None:
        """Admit a pilot by its secret, which is verified without the database."""
        stamp = self._runtime.pilot_keys.stamp_of(secret)
        if stamp is None:
            with _slowed(self._failures_of_pilots, address_of(scope)):
                raise NotSignedIn(tokens.ADVICE)
        self._reports.check(stamp)
        self._reports.note(stamp)
        if (scope["method"], _path(scope)) not in OF_PILOTS:
            may = " and ".join(" ".join(one) for one in sorted(OF_PILOTS))
            raise NotAllowed("a pilot", f"it may send {may}, and nothing else")
        scope.setdefault("state", {})["caller"] = PilotCaller(stamp)

    async def _admit_others(self, scope: Scope) -> None:
        self._failures.check(address_of(scope))
        if _path(scope) not in SIGNING_IN:
            await self._admit(scope)
        if (sent := (scope["method"], _path(scope))) in OF_PILOTS:
            raise NotAllowed(" ".join(sent), "only a pilot may send this, about itself")

    async def _admit(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        secret = _bearer(headers)
        if secret is None:
            secret = _session(headers)
            if secret is not None and scope["method"] not in SAFE:
                require_own_origin(headers)
        if secret is None:
            raise NotSignedIn("send a token in the header Authorization, or sign in")
        with _slowed(self._failures, address_of(scope)):  # without a secret nothing is guessed
            token = await run_sync(tokens.identify, self._runtime, secret)
        state: MutableMapping[str, object] = scope.setdefault("state", {})
        state["caller"] = Caller(token=token, secret=secret)


@contextmanager
def _slowed(failures: Pace, address: str) -> Iterator[None]:
    """Refuse an address with too many recent failures; else note whether this attempt fails."""
    failures.check(address)
    try:
        yield
    except NotSignedIn as error:
        # A page with an expired session repeats its requests, and others may share its address. So
        # this is not counted as a guess.
        if error.is_guess:
            failures.note(address)
        raise


def address_of(scope: Scope) -> str:
    """Return the IP address from which a request comes."""
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


def require_own_origin(headers: Headers) -> None:
    """Refuse a change that a page of another site sends: the browser would add our cookie to it."""
    if "origin" not in headers:
        raise NotAllowed(NOT_FROM_ELSEWHERE, "use a token")
    refuse_foreign_origin(headers)


def refuse_foreign_origin(headers: Headers) -> None:
    """Refuse a request that a browser sends from a page of another site."""
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2] != headers.get("host"):
        raise NotAllowed(
            NOT_FROM_ELSEWHERE,
            "if this page is of this console, its proxy does not pass on the header Host",
        )
