"""Errors as problem documents (RFC 9457), with one type for each kind of error."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import Scope

from worker.domain import errors
from worker.domain.errors import PilotageError, advice_of, title_of, word_of
from worker.domain.validation import place, reason
from worker.web.plain_pages import error_page, is_for_a_person

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

PAGES = "/api/problems"
"""The path of the pages about the kinds of errors."""

STATUSES: Mapping[type[PilotageError], int] = {
    errors.NotSignedIn: 401,
    errors.NotAllowed: 403,
    errors.OnlyOnHost: 403,
    errors.SignInFailed: 403,
    errors.NotFound: 404,
    errors.AlreadyExists: 409,
    errors.InUse: 409,
    errors.IllegalMove: 409,
    errors.NoFreeSlot: 409,
    errors.Differs: 409,
    errors.ConfirmationNeeded: 409,
    errors.CalledElsewhere: 409,
    errors.ChangedMeanwhile: 412,
    errors.PastTheEnd: 416,
    errors.Invalid: 422,
    errors.OtherRequest: 422,
    errors.ConfigurationError: 422,
    errors.TooManyAttempts: 429,
    errors.TooManyRequests: 429,
    errors.BackendError: 502,
    errors.DemandUnknown: 502,
    errors.IssuerFailed: 502,
    errors.DatabaseError: 503,
    errors.BrokerUnavailable: 503,
    errors.ServerBusy: 503,
}
"""The status of each kind of error. One without an entry has that of its nearest base class."""

BAD_REQUEST = 400
NOT_SIGNED_IN = 401
NO_PAGE = 404

MOST_WRONG = 20
"""The most wrong values that are listed."""


def status_of(kind: type[PilotageError]) -> int:
    return next((STATUSES[one] for one in kind.__mro__ if one in STATUSES), 500)


def type_of(kind: type[PilotageError], prefix: str = "") -> str:
    """Return the reference to a kind of error: the path of the page that says what to do."""
    return f"{prefix}{PAGES}/{word_of(kind)}"


def problem(
    error: PilotageError, scope: Scope, status: int | None = None, **more: object
) -> JSONResponse:
    """Return an error as a problem document. The parts are also given separately, for programs."""
    kind = type(error)
    status = status_of(kind) if status is None else status
    headers = {"WWW-Authenticate": "Bearer"} if status == NOT_SIGNED_IN else {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    return _document(
        status,
        {
            "type": type_of(kind, scope.get("root_path", "")),
            "title": title_of(kind),
            "status": status,
            "detail": str(error),
            "details": [" ".join(str(part).split()) for part in error.details],
            **more,
        },
        headers,
    )


def _document(
    status: int, values: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> JSONResponse:
    return JSONResponse(values, status, headers, media_type=MEDIA_TYPE)


def _of_request(request: Request, error: Exception) -> Response:
    """Return what is wrong with a request. The wrong value is left out: it may be a secret."""
    assert isinstance(error, RequestValidationError)
    wrong = [{"where": place(one), "what": reason(one)} for one in error.errors()[:MOST_WRONG]]
    first = errors.Invalid(wrong[0]["where"], wrong[0]["what"])
    if is_for_a_person(request.scope):
        return _page(request, first)
    return problem(first, request.scope, wrong=wrong)


def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if is_for_a_person(request.scope):
        if error.status_code == NO_PAGE:
            return _page(request, errors.NotFound("no page has this address"))
        made = error_page(request.scope, error.status_code, error.detail, [_NOT_THIS])
        made.headers.update(error.headers or {})
        return made
    if error.status_code == BAD_REQUEST:
        # The framework answers with this status if it cannot read a body: nested too deeply, or not
        # UTF-8.
        return problem(errors.Invalid("body", "it cannot be read as JSON"), request.scope)
    values = {"type": "about:blank", "title": error.detail, "status": error.status_code}
    return _document(error.status_code, {**values, "detail": error.detail}, error.headers)


def _of_ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, PilotageError)
    if is_for_a_person(request.scope):
        return _page(request, error)
    return problem(error, request.scope)


def _page(request: Request, error: PilotageError) -> Response:
    """Show an error on a page of the console, or to an unknown caller on a plain page."""
    if not hasattr(request.state, "caller"):
        return plain_page(error, request.scope)
    page: Callable[[Request, PilotageError], Response] = request.app.state.error_page
    return page(request, error)


def plain_page(error: PilotageError, scope: Scope) -> Response:
    """Show an error on a page for a caller who is not admitted."""
    kind = type(error)
    lines = [*(" ".join(str(part).split()) for part in error.details), advice_of(kind)]
    sentences = [_sentence(line) for line in lines]
    return error_page(scope, status_of(kind), title_of(kind), sentences, error.retry_after)


def _sentence(line: str) -> str:
    return (
        line[:1].upper() + line[1:] + ("" if line.endswith((".", "!", "?")) else ".") * bool(line)
    )


_NOT_THIS = "This address does not support this request. Nothing was changed."


def _of_a_mistake(request: Request, error: Exception) -> Response:
    """Answer after a mistake in our own code: the details are in the log, not in the answer."""
    log.error("a request failed: %s %s", request.method, request.url.path, exc_info=error)
    detail = "this is a mistake in Pilotage; its log says more"
    if is_for_a_person(request.scope):
        return error_page(request.scope, 500, "This is a mistake in Pilotage", _MISTAKE)
    title = "Internal Server Error"
    return _document(500, {"type": "about:blank", "title": title, "status": 500, "detail": detail})


_MISTAKE = (
    "The page could not be made. The log of the server says more.",
    "Try again. If you sent a form, check first whether the change was made.",
    "If it happens again, send the log to those who maintain Pilotage.",
)


def install(app: FastAPI, page: Callable[[Request, PilotageError], Response]) -> None:
    """Answer programs with a problem document after every error, and people with a page."""
    app.state.error_page = page
    app.add_exception_handler(PilotageError, _of_ours)
    app.add_exception_handler(RequestValidationError, _of_request)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(Exception, _of_a_mistake)
