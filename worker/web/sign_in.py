"""Sign-in of people by a link or at an issuer of OpenID Connect, sign-out, and the route `/me`."""

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import wraps
from html import escape
from string import Template
from typing import TYPE_CHECKING, Literal

from anyio.to_thread import run_sync
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from worker.domain.access import Role
from worker.domain.change import Door
from worker.domain.errors import IssuerFailed, NotAllowed, NotSignedIn, PilotageError, SignInFailed
from worker.domain.person import Person
from worker.domain.token import LIFE_OF_SESSION, TokenKind
from worker.services import requests
from worker.services.operate import tokens
from worker.services.operate.tokens import NewToken
from worker.services.runtime import Runtime
from worker.web import documents
from worker.web.callers import COOKIE, address_of, caller_of, refuse_foreign_origin
from worker.web.console.posted import read_fields
from worker.web.oidc_client import begin, read_pending, word_of
from worker.web.paces import Pace
from worker.web.plain_pages import FOLDER, make_page
from worker.web.problems import status_of
from worker.web.rights import READING, GuardedRoute, documented

if TYPE_CHECKING:
    from worker.web.issuer import Issuer

log = logging.getLogger(__name__)

PENDING_COOKIE = "pilotage_sign_in"
"""The cookie of a sign-in that has begun at the issuer; see `oidc_client.PendingSignIn`."""

PENDING_LIFETIME = 600
"""Seconds that a person may take at the issuer."""

_LINK = Template((FOLDER / "link.html").read_text(encoding="utf-8"))
_SCRIPT = (FOLDER / "script.js").read_bytes()
_STYLE = (FOLDER / "style.css").read_bytes()


class Link(BaseModel):
    """The secret of a link."""

    model_config = ConfigDict(extra="forbid")

    secret: str = Field(min_length=1, max_length=1000)


class Me(BaseModel):
    """The sender of the request, and what they may do."""

    name: str
    kind: Literal["token", "person"]
    role: Role
    vo: str | None
    """The only VO for which the role holds; null means all VOs."""
    expires_at: datetime


def pages() -> APIRouter:
    """Make the routes by which people sign in and out."""
    made = APIRouter(include_in_schema=False)
    made.add_api_route("/sign-in", _page)
    made.add_api_route("/sign-in", _use_typed_link, methods=["POST"])
    made.add_api_route("/sign-in/script.js", _script)
    made.add_api_route("/sign-in/style.css", _style)
    made.add_api_route("/sign-in/link", _use_link, methods=["POST"], status_code=204)
    made.add_api_route("/sign-in/oidc", _go_to_issuer)
    made.add_api_route("/sign-in/oidc/back", _come_back)
    made.add_api_route("/sign-out", _sign_out, methods=["POST"], status_code=204)
    return made


def me() -> APIRouter:
    """Make the route that returns the caller."""
    made = APIRouter(tags=["me"], route_class=GuardedRoute)
    made.add_api_route(
        "/me",
        _me,
        operation_id="me",
        summary="Say who sends the request",
        description=documents.description("", READING),
        responses=documents.errors(401, 403, 429, 503),
        openapi_extra=documented(READING),
    )
    return made


def _me(request: Request) -> Me:
    caller = caller_of(request)
    return Me(
        name=caller.token.name,
        kind=caller.kind,
        role=caller.access.role,
        vo=caller.access.vo,
        expires_at=caller.token.expires_at,
    )


def _sign_out(request: Request) -> Response:
    caller = caller_of(request)
    if caller.token.kind is not TokenKind.SESSION:
        raise NotAllowed("only a person signs out", "end a token with 'pilotage token revoke'")
    tokens.end_session(request.app.state.runtime, caller.secret)
    is_person = "text/html" in request.headers.get("accept", "")
    page = f"{request.scope.get('root_path', '')}/sign-in"
    response: Response = RedirectResponse(page, 303) if is_person else Response(status_code=204)
    response.delete_cookie(COOKIE, _path(request))
    return response


# -- the page and the link


def _page(request: Request) -> HTMLResponse:
    issuer: Issuer | None = request.app.state.issuer
    body = _LINK.substitute(prefix=_prefix(request))
    if issuer is not None:
        name = escape(issuer.client.name)
        address = f"{_prefix(request)}/sign-in/oidc"
        body = f'<a class="button" href="{address}">Sign in with {name}</a>\n{body}'
    return make_page(request.scope, "Sign in", body)


def _script() -> Response:
    return Response(_SCRIPT, media_type="text/javascript")


def _style() -> Response:
    return Response(_STYLE, media_type="text/css")


Page = Callable[[Request], Awaitable[Response]]


_GUESSES = (NotAllowed, NotSignedIn, SignInFailed)


def _for_browsers(page: Page) -> Page:
    """Show an error as a page, and count it as a failed attempt if it may be a guess."""

    @wraps(page)
    async def shown(request: Request) -> Response:
        try:
            return await page(request)
        except PilotageError as error:
            log.warning("a sign-in failed: %s", error)
            if isinstance(error, _GUESSES) and not isinstance(error, IssuerFailed):
                _note_failure(request)
            return _error_page(request, error)

    return shown


@_for_browsers
async def _use_typed_link(request: Request) -> Response:
    """Use a link that was typed into the form, in a browser without scripts."""
    refuse_foreign_origin(request.headers)
    fields = await read_fields(request)
    secret = "".join(fields.get("secret", [])).strip().rpartition("#")[2]
    session = await run_sync(tokens.use_link, request.app.state.runtime, secret)
    response = RedirectResponse(f"{_prefix(request)}/", 303)
    _begin_session(request, response, session)
    return response


def _use_link(request: Request, link: Link) -> Response:
    try:
        refuse_foreign_origin(request.headers)
        session = tokens.use_link(request.app.state.runtime, link.secret)
    except (NotAllowed, NotSignedIn):
        _note_failure(request)
        raise
    response = Response(status_code=204)
    _begin_session(request, response, session)
    return response


# -- the issuer


@_for_browsers
async def _go_to_issuer(request: Request) -> Response:
    pending = begin()
    address = await _issuer(request).page(pending, _address_of_back(request))
    response = RedirectResponse(address, 303)
    response.set_cookie(
        PENDING_COOKIE,
        str(pending),
        PENDING_LIFETIME,
        path=_pending_path(request),
        secure=_is_secure(request),
        httponly=True,
        samesite="lax",  # the issuer redirects the browser back, from another site
    )
    return response


@_for_browsers
async def _come_back(request: Request) -> Response:
    issuer, answer = _issuer(request), request.query_params
    pending = read_pending(request.cookies.get(PENDING_COOKIE))
    pending.require_state(answer.get("state", ""))
    if answer.get("iss", issuer.client.issuer) != issuer.client.issuer:
        raise SignInFailed("this is the answer of another issuer")
    if "error" in answer:
        raise SignInFailed(f"the issuer says {word_of(answer['error'])}")
    if not answer.get("code"):
        raise SignInFailed("the issuer has sent no code")
    person = await issuer.person(pending, answer["code"], _address_of_back(request))
    runtime: Runtime = request.app.state.runtime
    session = await run_sync(_session_of, runtime, issuer.client.issuer, person)
    log.info("%s has signed in; the role is %s", person.name, person.access)
    return _signed_in(request, session)


def _session_of(runtime: Runtime, issuer: str, person: Person) -> NewToken:
    """Begin the session of a person whom the issuer has identified."""
    access = person.access
    vouching = requests.used_by(runtime, issuer, access, door=Door.CONSOLE)
    return tokens.begin_session(vouching, person.name, access.role, access.vo)


def _signed_in(request: Request, session: NewToken) -> Response:
    """Show a page that continues to the console.

    A redirect does not work here: the browser comes from the issuer's site, and while it follows
    redirects from there it does not send cookies with SameSite=strict.
    """
    home = f"{_prefix(request)}/"
    response = make_page(
        request.scope,
        "You are signed in",
        f'<p><a href="{home}">Go on to Pilotage</a></p>',
        head=f'<meta http-equiv="refresh" content="0; url={home}">',
    )
    _begin_session(request, response, session)
    response.delete_cookie(PENDING_COOKIE, _pending_path(request))
    return response


def _error_page(request: Request, error: PilotageError) -> Response:
    back = f'<p><a href="{_prefix(request)}/sign-in">Back to the page to sign in</a></p>'
    body = f'<p role="alert">{escape(str(error))}.</p>\n{back}'
    response = make_page(
        request.scope, "You are not signed in", body, status=status_of(type(error))
    )
    response.delete_cookie(PENDING_COOKIE, _pending_path(request))
    return response


def _issuer(request: Request) -> "Issuer":
    issuer: Issuer | None = request.app.state.issuer
    if issuer is None:
        raise SignInFailed("no issuer is set up here", "sign in with a link")
    return issuer


# -- shared parts


def _begin_session(request: Request, response: Response, session: NewToken) -> None:
    """Set the cookie with the secret of a session: for this site only, and hidden from scripts."""
    response.set_cookie(
        COOKIE,
        session.secret,
        int(LIFE_OF_SESSION.total_seconds()),
        path=_path(request),
        secure=_is_secure(request),
        httponly=True,
        samesite="strict",
    )


def _note_failure(request: Request) -> None:
    failures: Pace = request.app.state.failures
    failures.note(address_of(request.scope))


def _prefix(request: Request) -> str:
    prefix: str = request.scope.get("root_path", "")
    return prefix


def _path(request: Request) -> str:
    """Return the path of the session's cookie."""
    return _prefix(request) or "/"


def _pending_path(request: Request) -> str:
    return f"{_prefix(request)}/sign-in/oidc"


def _address_of_back(request: Request) -> str:
    """Return the address to which the issuer sends the browser back; it is registered there."""
    home = _issuer(request).client.home or str(request.base_url)
    return f"{home.rstrip('/')}/sign-in/oidc/back"


def _is_secure(request: Request) -> bool:
    return request.url.scheme == "https"
