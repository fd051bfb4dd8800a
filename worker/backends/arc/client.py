"""Requests to the REST interface of one CE, as one identity.

The time limit of the whole driver call ends every request. A request returns an answer or raises a
`BackendError`, whose text holds neither a header nor a credential.
"""

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from worker.backends import json_text
from worker.backends.arc.access import ArcAccess
from worker.domain.errors import BackendError, CredentialProblem, NotSent, Unavailable, Unreadable
from worker.domain.texts import legible

VERSIONS = ("1.1", "1.0")
"""The versions of the REST interface that this client supports, the preferred one first."""

LIMIT = 64 * 2**20
"""The most bytes of one answer; a longer one is unreadable."""

IDS = 2000
"""Ids in one request: A-REX reads only the first MiB of a request and silently ignores the rest."""

_SHOWN = 2000
_REFUSED_CERTIFICATE = re.compile(
    r"ALERT_(NO_|BAD_|UNSUPPORTED_)?CERTIFICATE|ALERT_UNKNOWN_CA|ALERT_ACCESS_DENIED"
    r"|ALERT_DECRYPT_ERROR|ALERT_HANDSHAKE_FAILURE",
    re.IGNORECASE,
)
_NO_AUTHORITY = "its certificate is not from an authority that is trusted here"
_DISTRUST = {
    3: "its authority has no list of revoked certificates in the folder ca: fetch it, or set the"
    " option check_revocation to false",
    12: "the list of revoked certificates of its authority is out of date: fetch it anew",
    23: "its certificate was revoked by its authority",
}
"""The meaning of OpenSSL's codes for a certificate that cannot be verified."""
_NOT_CONNECTED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.InvalidURL)
"""Errors that are raised before a request is sent."""
_NOT_MAPPED = "assigned configuration"


@dataclass(frozen=True, kw_only=True)
class RestReply:
    """The CE's answer to one request."""

    status: int
    reason: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def text(self) -> str:
        """Return the body as text; invalid bytes are replaced."""
        return self.body.decode(errors="replace")

    def json(self, ce: str) -> Any:
        """Return the body as JSON; `None` if it is empty, as A-REX answers for an empty list."""
        if not self.body.strip():
            return None
        try:
            return json_text.read(self.text())
        except ValueError:
            raise Unreadable(legible(self.text()[:_SHOWN]), ce, "its answer is not JSON") from None


class Rest:
    """The interface of one CE, as one identity sees it."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        turns: asyncio.Semaphore,
        ce: str,
        url: str,
        access: ArcAccess,
    ) -> None:
        self.ce = ce
        self.url = url
        self.access = access
        self.identity = access.identity
        self.base = ""
        self.version = ""
        self._client = client
        self._turns = turns

    async def negotiate(self, only: str | None) -> tuple[str, ...]:
        """Choose the version of REST to use; return the versions that the CE supports."""
        reply = await self.ask("GET", f"{self.url}/rest")
        if reply.status != 200:
            raise self.unexpected(reply)
        answer = reply.json(self.ce)
        spoken = tuple(str(one) for one in as_list(answer, "version"))
        common = [version for version in VERSIONS if version in spoken]
        if only is not None:
            common = [version for version in common if version == only]
        if not common:
            problem = f"no version of REST in common: {', '.join(spoken)[:200] or 'it names none'}"
            raise Unreadable(legible(reply.text()[:_SHOWN]), self.ce, problem)
        self.speak(common[0])
        return spoken

    def speak(self, version: str) -> None:
        """Use this version of REST from now on."""
        self.version = version
        self.base = f"{self.url}/rest/{version}"

    async def jobs(self, action: str, ids: Sequence[str], size: int = IDS) -> dict[str, Any]:
        """Request an action on jobs; return the answers by the ids of the jobs that have one."""
        chunks = [list(ids[n : n + size]) for n in range(0, len(ids), size)]
        answers: dict[str, Any] = {}
        for answer in await gathered([self._some(action, chunk) for chunk in chunks]):
            answers.update(answer)
        return answers

    async def job_list(self) -> list[str]:
        """List the ids of all jobs of this identity."""
        reply = await self.ask("GET", f"{self.base}/jobs")
        if reply.status != 200:
            raise self.unexpected(reply)
        listed = as_list(reply.json(self.ce), "job")
        return [str(one["id"]) for one in listed if isinstance(one, dict) and one.get("id")]

    async def new(self, body: bytes) -> RestReply:
        """Send the descriptions of jobs."""
        kind = {"Content-Type": "application/xml"}
        return await self.ask("POST", f"{self.base}/jobs?action=new", content=body, headers=kind)

    async def diagnosis(self, job: str, what: str) -> str | None:
        """Read one of the files that A-REX keeps about a job; `None` if it does not exist."""
        reply = await self.ask("GET", f"{self.base}/jobs/{job}/diagnose/{what}")
        return reply.text() if reply.status == 200 else None

    async def ask(
        self,
        method: str,
        url: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> RestReply:
        """Make one request and read its answer."""
        try:
            async with (
                self._turns,
                self._client.stream(method, url, content=content, headers=headers) as response,
            ):
                body = await self._read(response)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as error:
            # `from None`: the error holds the request, and the request holds the token.
            raise self._problem(error) from None
        reply = RestReply(
            status=response.status_code,
            reason=response.reason_phrase,
            headers=dict(response.headers),
            body=body,
        )
        if reply.status in (401, 403) or (reply.status == 500 and _NOT_MAPPED in reply.reason):
            raise CredentialProblem(self.ce, f"it denies access to {self.access}", _summary(reply))
        return reply

    def unexpected(self, reply: RestReply) -> BackendError:
        """Return the error for an answer with an unexpected status."""
        summary = _summary(reply)
        if reply.status >= 500 or reply.status in (408, 429):
            return Unavailable(self.ce, summary)
        return Unreadable(legible(reply.text()[:_SHOWN]), self.ce, summary)

    async def _some(self, action: str, ids: Sequence[str]) -> dict[str, Any]:
        body = json.dumps({"job": [{"id": one} for one in ids]}).encode()
        kind = {"Content-Type": "application/json"}
        url = f"{self.base}/jobs?action={action}"
        reply = await self.ask("POST", url, content=body, headers=kind)
        if reply.status not in (200, 201):
            raise self.unexpected(reply)
        listed = as_list(reply.json(self.ce), "job")
        return {str(one["id"]): one for one in listed if isinstance(one, dict) and "id" in one}

    async def _read(self, response: httpx.Response) -> bytes:
        # A small compressed answer may be very large, and the library would unpack all of it.
        packed = response.headers.get("content-encoding", "identity")
        if packed != "identity":
            raise Unreadable("", self.ce, f"its answer is compressed: {legible(packed)[:40]}")
        body = bytearray()
        async for piece in response.aiter_raw():
            body += piece
            if len(body) > LIMIT:
                start = legible(body[:_SHOWN].decode(errors="replace"))
                raise Unreadable(start, self.ce, f"its answer has more than {LIMIT} bytes")
        return bytes(body)

    def _problem(self, error: Exception) -> BackendError:
        if _REFUSED_CERTIFICATE.search(_tls(error)):
            return CredentialProblem(self.ce, f"it denies access to {self.access}", _tls(error))
        if "CERTIFICATE_VERIFY_FAILED" in _tls(error):
            return NotSent(self.ce, _DISTRUST.get(_verdict(error), _NO_AUTHORITY))
        kind = NotSent if isinstance(error, _NOT_CONNECTED) else Unavailable
        return kind(self.ce, _tls(error) or _meaning(error))


@asynccontextmanager
async def connected(
    access: ArcAccess, turns: asyncio.Semaphore, ce: str, url: str, timeout: float
) -> AsyncIterator[Rest]:
    """Connect to a CE as one identity during the block."""
    client = httpx.AsyncClient(
        verify=access.context,
        headers={
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            **access.headers,
        },
        timeout=timeout,
        # Neither a proxy from the environment nor a redirect of the CE may get the credential.
        trust_env=False,
        follow_redirects=False,
    )
    async with client:
        yield Rest(client, turns, ce, url, access)


async def gathered(calls: Sequence[Any]) -> list[Any]:
    """Make calls concurrently; if one fails, stop the others and raise its error."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call) for call in calls]
    except BaseExceptionGroup as errors:
        raise _first(errors) from None
    return [task.result() for task in tasks]


def as_list(answer: Any, key: str) -> list[Any]:
    """Return a list that A-REX writes as a list, as its only member, or not at all."""
    value = answer.get(key) if isinstance(answer, dict) else answer
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def _tls_error(error: BaseException) -> ssl.SSLError | None:
    """Return the TLS error, of either side, that caused this error; `None` if there is none."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    return cause


def _tls(error: BaseException) -> str:
    cause = _tls_error(error)
    return "" if cause is None else f"TLS: {cause.reason or 'it failed'}"


def _verdict(error: BaseException) -> int:
    """Return OpenSSL's code for the problem of a certificate; 0 if there is none."""
    return int(getattr(_tls_error(error), "verify_code", 0))


def _meaning(error: Exception) -> str:
    """Return what went wrong, without the library's own text, which may quote a header."""
    meanings: tuple[tuple[type[Exception], str], ...] = (
        (httpx.ConnectError, "no connection could be made"),
        (httpx.TimeoutException, "no answer in time"),
        (httpx.NetworkError, "the connection was lost"),
        (httpx.RemoteProtocolError, "the connection ended in the middle of an answer"),
    )
    for kind, meaning in meanings:
        if isinstance(error, kind):
            return meaning
    return f"the request failed, {type(error).__name__}"


def _summary(reply: RestReply) -> str:
    text = reply.text()[:200] if reply.headers.get("content-type", "").startswith("text/") else ""
    return legible(f"it answered {reply.status} {reply.reason[:200]} {text}".strip())
