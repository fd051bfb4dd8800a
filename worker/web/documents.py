"""What the OpenAPI document says beside the signatures: roles, errors, how one signs in."""

from typing import Any

from pydantic import BaseModel

from worker.domain.access import Role
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


ALWAYS = {
    401: "The token is missing, unknown, expired or revoked",
    403: "The role does not allow it",
    413: "The request is too long",
    422: "A value cannot be used",
    429: "Too many attempts failed",
    503: "The database cannot answer now",
}
CHANGING = {404: "There is no such thing", 409: "Its state does not allow it"}


def description(more: str, role: Role) -> str:
    """Return what is said of an action: what its docstring adds, and the role that it takes."""
    text = " ".join(more.split())
    return f"{text}\n\nIt takes the role *{role}*.".strip()


def responses(endpoint: Endpoint) -> dict[int | str, dict[str, Any]]:
    """Return the errors that an endpoint answers with."""
    meanings = dict(ALWAYS)
    if endpoint.method != "GET":
        meanings |= CHANGING
    elif arguments_of(endpoint).path or arguments_of(endpoint).query:
        meanings |= {404: CHANGING[404]}
    if has_if_match(endpoint):
        meanings[412] = "Somebody else has changed it since it was read"
    if endpoint.path.endswith("/output"):
        meanings |= {409: "The CE has no output of it", 502: "The CE cannot be reached"}
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": text, "content": content}
        for status, text in sorted(meanings.items())
    }
