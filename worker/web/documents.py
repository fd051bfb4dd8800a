"""What the OpenAPI document says beside the signatures: roles, errors, how one signs in."""

from typing import Any

from pydantic import BaseModel

from worker.services.allowed import Right
from worker.services.arguments import arguments_of, has_if_match
from worker.services.endpoints import Endpoint
from worker.web.problems import MEDIA_TYPE

ABOUT = """
Each request has one action done, the same one as a command of `pilotage`. Send the token of
`pilotage token create` as `Authorization: Bearer TOKEN`.

**Errors** are problem documents (RFC 9457): `type` says which kind of error, `detail` is the line
that a command would print, `details` its parts.
**Lists** come in pages: `next` is what `after` takes for the following page, and null on the last.
**Repeating** a POST that makes something is safe with an `Idempotency-Key`.
**Changing** a VO or CE with `If-Match` fails if somebody else has changed it since it was read.
**Times** are in UTC, lengths of time are numbers of seconds.
"""


class Problem(BaseModel):
    """What went wrong."""

    type: str
    """The kind of error, as a reference; 'about:blank' for those of HTTP itself."""
    title: str
    status: int
    detail: str
    """The whole error in one line, and what to do."""
    details: list[str] = []
    """Its parts."""
    wrong: list[dict[str, str]] = []
    """All values that are wrong, if several are: where each stands, and what is wrong with it."""


MEANINGS = {
    401: "The token is missing, unknown, expired or revoked",
    403: "The role does not allow it",
    413: "The request is too long",
    422: "A value cannot be used",
    429: "Too many attempts failed",
    503: "The database cannot answer now",
    404: "There is no such thing",
    409: "Its state does not allow it",
    412: "Somebody else has changed it since it was read",
    502: "The CE cannot be reached",
}


def description(more: str, right: Right) -> str:
    """Return what is said of an action: what its docstring adds, and the role that it takes."""
    text = " ".join(more.split())
    scope = "" if right.for_one_vo else ", for all VOs"
    return f"{text}\n\nIt takes the role *{right.role}*{scope}.".strip()


def responses(endpoint: Endpoint) -> dict[int | str, dict[str, Any]]:
    """Return the errors that an endpoint answers with."""
    statuses = [401, 403, 413, 422, 429, 503]
    arguments = arguments_of(endpoint)
    if endpoint.method != "GET":
        statuses += [404, 409]
    elif arguments.path or arguments.query:
        statuses.append(404)
    if has_if_match(endpoint):
        statuses.append(412)
    if endpoint.path.endswith("/output"):
        statuses += [409, 502]
    return errors(*statuses)


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return how problems of these statuses are documented."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": MEANINGS[status], "content": content} for status in sorted(statuses)
    }
