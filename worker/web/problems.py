"""Every error as a problem document (RFC 9457): one type for each kind of error."""

import logging
import re
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from worker.domain import errors
from worker.domain.errors import PilotageError
from worker.domain.validation import place, reason

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

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
    errors.ServerBusy: 503,
}
"""The status of each kind of error; one that is not here has that of the next kind above it."""

MOST_WRONG = 20
"""Wrong values that are listed."""

RETRY_AFTER = 5
"""Seconds after which a client may ask again when the database cannot answer."""


def status_of(kind: type[PilotageError]) -> int:
    return next((STATUSES[one] for one in kind.__mro__ if one in STATUSES), 500)


def type_of(kind: type[PilotageError]) -> str:
    """Return the reference to a kind of error: UnknownCE is unknown-ce."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", kind.__name__).lower()
    return f"/api/problems/{words}"


def title_of(kind: type[PilotageError]) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0].rstrip(".")


def kinds() -> dict[str, type[PilotageError]]:
    """Return every kind of error by its reference."""
    return {type_of(kind): kind for kind in _heirs(PilotageError)}


def _heirs(kind: type[PilotageError]) -> list[type[PilotageError]]:
    direct = [one for one in kind.__subclasses__() if one.__module__ == errors.__name__]
    return [kind, *(heir for one in direct for heir in _heirs(one))]


def problem(error: PilotageError, status: int | None = None) -> JSONResponse:
    """Write an error as a problem. Its parts stand beside the sentence, for programs."""
    kind = type(error)
    status = status_of(kind) if status is None else status
    headers = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": str(RETRY_AFTER)}}
    return _document(
        status,
        {
            "type": type_of(kind),
            "title": title_of(kind),
            "status": status,
            "detail": str(error),
            "details": [" ".join(str(part).split()) for part in error.details],
        },
        headers.get(status),
    )


def _document(
    status: int, values: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> JSONResponse:
    return JSONResponse(values, status, headers, media_type=MEDIA_TYPE)


def _of_request(request: Request, error: Exception) -> JSONResponse:
    """Write what is wrong with a request. The value is left out: it may be a secret."""
    assert isinstance(error, RequestValidationError)
    wrong = [{"where": place(one), "what": reason(one)} for one in error.errors()[:MOST_WRONG]]
    first = wrong[0]
    answer = problem(errors.Invalid(first["where"], first["what"]))
    values = {
        "type": type_of(errors.Invalid),
        "title": title_of(errors.Invalid),
        "status": 422,
        "detail": str(errors.Invalid(first["where"], first["what"])),
        "details": [first["where"], first["what"]],
        "wrong": wrong,
    }
    return _document(answer.status_code, values)


def _of_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    values = {"type": "about:blank", "title": error.detail, "status": error.status_code}
    return _document(error.status_code, {**values, "detail": error.detail}, error.headers)


def _of_ours(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, PilotageError)
    return problem(error)


def _of_a_mistake(request: Request, error: Exception) -> JSONResponse:
    """Answer for a mistake in our own code: it is in the log, and not in the answer."""
    log.error("a request failed: %s %s", request.method, request.url.path, exc_info=error)
    detail = "this is a mistake in Pilotage; its log says more"
    title = "Internal Server Error"
    return _document(500, {"type": "about:blank", "title": title, "status": 500, "detail": detail})


def install(app: FastAPI) -> None:
    """Answer every error by a problem."""
    app.add_exception_handler(PilotageError, _of_ours)
    app.add_exception_handler(RequestValidationError, _of_request)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(Exception, _of_a_mistake)
