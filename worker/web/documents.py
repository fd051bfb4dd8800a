"""The parts of the OpenAPI document beside the signatures: roles, errors, and authentication."""

from typing import Any

from pydantic import BaseModel

from worker.services.allowed import Right
from worker.services.arguments import SINGULAR, arguments_of, has_if_match
from worker.services.endpoints import Endpoint
from worker.web.problems import MEDIA_TYPE

ABOUT = """
Each request does one action, the same as a command of `pilotage`. Send the token of
`pilotage token create` as `Authorization: Bearer TOKEN`.

**Errors** are problem documents (RFC 9457): `type` says which kind of error, `detail` is the line
that a command would print, `details` its parts.
**Lists** come in pages: `next` is what `after` takes for the following page, and null on the last.
**Repeating** a POST that makes something is safe with an `Idempotency-Key`: the first answer is
sent again. After a refusal the key can be used again. After 429 and 503, repeat the request when
the time of `Retry-After` has passed.
**Changing** a VO or CE with `If-Match`, the `ETag` of the answer that showed it, fails if somebody
else has changed it since.
**Times** are in UTC, lengths of time are numbers of seconds.
"""


REPEAT_IT = " Repeat it for more."
OF_A_PILOT = "An id, or the beginning of a stamp."

PARAMETERS = {
    "after": "The place after which the page begins: `next` of the page before.",
    "all": "List revoked and expired tokens, too.",
    "at": "As of this moment.",
    "backend": "The back-end.",
    "begins_at": "When it begins; now if left out.",
    "recorded.by": "Only by this account, person, token or task.",
    "summary.by": "What to group by. Repeat it for more.",
    "cause": "Only those that failed for this cause. Repeat it for more.",
    "ce": "The CE.",
    "count": "How many.",
    "cron": "A cron line, in UTC.",
    "door": "Only changes that came by this door.",
    "descending": "Reverse the order.",
    "enabled": "Only enabled, or only disabled ones.",
    "set_schedule.enabled": "Whether the task fires.",
    "set_schedule.vo": "For this VO alone.",
    "ends_at": "When it ends.",
    "every": "Seconds from one firing to the next.",
    "force": "Do it even before a restored CE was reconciled.",
    "handle": "Only with this id at the CE, or of this array or cluster of jobs.",
    "kind": "The kind of the credential, if a VO has several.",
    "latest": "The number of the latest decisions and moves.",
    "life": "Seconds for which it is valid; 90 days if left out.",
    "limit": "The most rows.",
    "name": "The name.",
    "node": "Only on this node, as the CE names it.",
    "of": "Only of the CE, the VO or the task of this name.",
    "older_than": "Only active ones whose slot was reserved so many seconds ago, or longer.",
    "policy": "Another policy than that of the settings.",
    "reason": "The reason, shown to others.",
    "role": "What its holder may do.",
    "search": "Part of a name, in upper or lower case.",
    "list_pilots.search": OF_A_PILOT,
    "count_active.search": OF_A_PILOT,
    "cancel_matching.search": OF_A_PILOT,
    "since": "From this moment on.",
    "sort": "The column that orders the list.",
    "status": "Only in this status. Repeat it for more.",
    "tag": "Only of CEs with this tag.",
    "list_ces.tag": "Only CEs with this tag. Repeat it for more.",
    "tail": "Only this number of the last lines.",
    "task": "The task.",
    "list_decisions.until": "Up to this moment.",
    "until": "When the pause ends by itself.",
    "use": "Only those that ended well and were of this use. Repeat it for more.",
    "vo": "The VO.",
    "which": "Its number, its stamp or the beginning of it, or its id at the CE.",
    "remove_maintenance.which": "The number of the maintenance.",
    "ces": "Values to suppose for CEs, by name: capacity, waiting_limit, ...",
    "vos": "Values to suppose for VOs, by name: share, limit, demand, budget, enabled, draining.",
}
"""The descriptions of parameters, by name, or by the action and the name."""

PLURALS = {plural: singular for plural, singular in SINGULAR.items() if plural != "tags"}
"""The names of parameters with several values: repeated in a query, one list in a body."""


def meaning(action: str, name: str) -> str | None:
    """Return the description of a parameter of an action."""
    singular = PLURALS.get(name, name)
    text = PARAMETERS.get(f"{action}.{singular}") or PARAMETERS.get(singular)
    return text if text is None or singular == name else text.removesuffix(REPEAT_IT)


class Problem(BaseModel):
    """An error."""

    type: str
    """The kind of error, as a reference; 'about:blank' for errors of HTTP itself."""
    title: str
    status: int
    detail: str
    """The whole error in one line, and what to do."""
    details: list[str] = []
    """The parts of the error."""
    wrong: list[dict[str, str]] = []
    """All wrong values, if there are several: the place of each, and what is wrong with it."""


MEANINGS = {
    400: "It names a VO or CE that does not exist",
    401: "The token is missing, unknown, expired or revoked",
    403: "The role does not allow it",
    413: "The request is too long",
    422: "A value cannot be used",
    429: "Too many attempts failed",
    503: "The database cannot answer now",
    404: "It does not exist",
    409: "Its state does not allow it",
    416: "The list ends before this page",
    412: "Somebody else has changed it since it was read",
    502: "The CE cannot be reached",
}


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Add the type of errors to the document: they refer to it, but no route returns it."""
    document["components"]["schemas"]["Problem"] = Problem.model_json_schema()
    return document


def description(more: str, right: Right) -> str:
    """Return the description of an action: the rest of its docstring, and its role."""
    text = " ".join(more.split())
    scope = "" if right.for_one_vo else ", for all VOs"
    return f"{text}\n\nIt needs the role *{right.role}*{scope}.".strip()


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
    """Return the documentation of errors with these statuses."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": MEANINGS[status], "content": content} for status in sorted(statuses)
    }
