"""A runner scale set of GitHub: the number of its assigned jobs, and configurations of runners.

A session is opened for each question and closed after it. Meanwhile messages are read, the jobs
that they offer are acquired, and each message is acknowledged after that. A message that a crash
leaves unacknowledged is sent again. All answers are bounded and checked, for they are not trusted.
"""

import json
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from worker.backends import json_text
from worker.demand import files
from worker.demand.endpoints import EndpointQuestion, EndpointReply, converse, place_of
from worker.demand.github import GithubOptions
from worker.domain.addresses import is_private
from worker.domain.errors import DemandUnknown

TALKING = 0.8
"""The part of the time-out after which only the end of the session may be begun."""
_VERSION = "api-version=6.0-preview"
_SETS = "_apis/runtime/runnerscalesets"
_OK, _NOTHING, _DENIED, _MAY_NOT, _UNKNOWN, _TAKEN = 200, 202, 401, 403, 404, 409
_AVAILABLE = "JobAvailable"
_HELD = "another program listens to it, or a request was interrupted some minutes ago"
_LONGEST = 65_536
"""The longest token or address, in characters."""
_PAUSE = 0.5
"""Seconds until the next request, if the service answers at once that there is no message."""
_MOST = 10_000
"""The most jobs of one message."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """The address of the service of scale sets, and the token for it."""

    url: str
    token: str = field(repr=False)


@dataclass(kw_only=True)
class ScaleSetSession:
    """A session in which the messages of a scale set are read; only one can be open at a time."""

    key: str
    queue: str = field(repr=False)
    token: str = field(repr=False)
    assigned: int


class Message(NamedTuple):
    """A message of a scale set: the jobs that it offers, and how many are assigned to it."""

    number: int
    offered: tuple[int, ...]
    assigned: int


def ask(vo: str, options: GithubOptions) -> int:
    """Return how many jobs are assigned to the scale set, including those that run."""
    client = ScaleSetClient(options)
    with client.session(f"pilotage {vo}") as session:
        return client.listen(session)


class ScaleSetClient:
    """One conversation with the service, which ends within the time-out."""

    def __init__(self, options: GithubOptions) -> None:
        self._options = options
        begin = time.monotonic()
        self._ends, self._closes = begin + TALKING * options.timeout, begin + options.timeout
        self._service = self._connected()

    @contextmanager
    def session(self, owner: str) -> Iterator[ScaleSetSession]:
        """Open a session, and close it at the end of the block, also after an error."""
        path = f"{self._set}/sessions"
        answer = self._ask("POST", path, body={"ownerName": owner}, may_be=[_TAKEN])
        if answer.status == _TAKEN:
            raise DemandUnknown(self._place, f"another session holds the scale set: {_HELD}")
        session = self._session_of(answer)
        try:
            yield session
        finally:
            self._ends = self._closes
            with suppress(DemandUnknown):
                self._ask("DELETE", f"{path}/{quote(session.key, safe='')}")

    def listen(self, session: ScaleSetSession) -> int:
        """Read messages for a while, acquire the offered jobs, and return how many are assigned."""
        until = min(time.monotonic() + self._options.listen, self._ends)
        last = 0
        while (left := until - time.monotonic()) > 0:
            message = self._message(session, last, left)
            if message is None:
                continue
            last = max(last, message.number)
            session.assigned = message.assigned
            self._take(session, message)
            self._acknowledge(session, message)
        return session.assigned

    def runner(self, name: str) -> str | None:
        """Return the configuration of a new runner for one job; `None` if this name is taken."""
        path = f"{self._set}/generatejitconfig"
        body = {"name": name, "workFolder": "_work"}
        answer = self._ask("POST", path, body=body, may_be=[_TAKEN])
        if answer.status == _TAKEN:
            return None
        return self._text(self._object(answer.text), "encodedJITConfig")

    @property
    def _place(self) -> str:
        return place_of(self._service.url)

    @property
    def _set(self) -> str:
        return f"{self._service.url.rstrip('/')}/{_SETS}/{self._options.scale_set}"

    def _connected(self) -> Service:
        """Exchange the token of the file for a token of the service of the runners."""
        files.check_closed(self._options.token_file)
        url, runners_of = self._options.url.rstrip("/"), self._options.runners_of
        answer = self._send(
            "POST", f"{url}/{_scope(runners_of)}/actions/runners/registration-token"
        )
        may_not = f"its token may not administer the runners of {runners_of}"
        why = {_DENIED: "it does not accept the token", _MAY_NOT: may_not, _UNKNOWN: may_not}
        token = self._text(self._object(self._good(answer, url, why).text), "token")
        answer = self._send(
            "POST",
            f"{url}/actions/runner-registration",
            body={"url": runners_of, "runner_event": "register"},
            authorization=f"RemoteAuth {token}",
        )
        made = self._object(self._good(answer, url).text)
        return Service(url=self._address(made, "url"), token=self._text(made, "token"))

    def _session_of(self, answer: EndpointReply) -> ScaleSetSession:
        made = self._object(answer.text)
        return ScaleSetSession(
            key=self._text(made, "sessionId"),
            queue=self._address(made, "messageQueueUrl"),
            token=self._text(made, "messageQueueAccessToken"),
            assigned=self._assigned(made),
        )

    def _message(self, session: ScaleSetSession, last: int, seconds: float) -> Message | None:
        """Wait for a message; return `None` if there is none yet. An expired token is renewed."""
        url = _with(session.queue, f"lastMessageId={last}") if last else session.queue
        headers = {
            "Accept": f"application/json; {_VERSION}",
            "X-ScaleSetMaxCapacity": str(self._options.most),
        }
        begun = time.monotonic()
        try:
            answer = self._send("GET", url, token=session.token, headers=headers, seconds=seconds)
        except DemandUnknown:
            if time.monotonic() - begun < seconds / 2:
                raise
            return None  # no message came within the time
        if answer.status == _DENIED:
            self._renew(session)
            return None
        if answer.status == _NOTHING:
            time.sleep(min(seconds, _PAUSE))
            return None
        return self._read(self._object(self._good(answer, url).text))

    def _read(self, said: Mapping[str, Any]) -> Message:
        jobs = self._json(said.get("body") or "[]")
        if not isinstance(jobs, list) or len(jobs) > _MOST:
            raise DemandUnknown(self._place, "its message lists no jobs")
        return Message(
            self._whole(said, "messageId"),
            tuple(
                self._whole(job, "runnerRequestId")
                for job in jobs
                if isinstance(job, dict) and job.get("messageType") == _AVAILABLE
            ),
            self._assigned(said),
        )

    def _take(self, session: ScaleSetSession, message: Message) -> None:
        """Acquire the offered jobs, as many as allowed. Acquiring a job twice does no harm."""
        jobs = message.offered[: max(0, self._options.most - session.assigned)]
        if jobs:
            answer = self._send(
                "POST", f"{self._set}/acquirejobs?{_VERSION}", body=jobs, token=session.token
            )
            self._good(answer, self._service.url)

    def _acknowledge(self, session: ScaleSetSession, message: Message) -> None:
        parts = urlsplit(session.queue)
        url = parts._replace(path=f"{parts.path}/{message.number}").geturl()
        answer = self._send("DELETE", url, token=session.token)
        self._good(answer, url)

    def _renew(self, session: ScaleSetSession) -> None:
        path = f"{self._set}/sessions/{quote(session.key, safe='')}"
        made = self._session_of(self._ask("PATCH", path))
        session.token, session.queue = made.token, made.queue

    def _ask(
        self, method: str, path: str, *, body: Any = None, may_be: Collection[int] = ()
    ) -> EndpointReply:
        url = f"{path}?{_VERSION}"
        answer = self._send(method, url, body=body, token=self._service.token)
        why = (
            {_UNKNOWN: f"it has no scale set {self._options.scale_set}"} if method == "POST" else {}
        )
        return answer if answer.status in may_be else self._good(answer, url, why)

    def _send(
        self,
        method: str,
        url: str,
        *,
        body: Any = None,
        token: str | None = None,
        authorization: str | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float | None = None,
    ) -> EndpointReply:
        left = self._ends - time.monotonic()
        if left <= 0:
            raise DemandUnknown(place_of(url), f"no answer within {self._options.timeout:g} s")
        timeout = left if seconds is None else min(left, seconds)
        question = EndpointQuestion(
            url=url,
            method=method,
            body=None if body is None else json.dumps(body).encode(),
            content_type=None if body is None else "application/json",
            authorization=f"Bearer {token}" if token is not None else authorization,
            headers=headers or {},
        )
        return converse(question, self._options.model_copy(update={"timeout": timeout}))

    def _good(
        self, answer: EndpointReply, url: str, why: Mapping[int, str] | None = None
    ) -> EndpointReply:
        if not _OK <= answer.status < 300:
            reason = (why or {}).get(answer.status)
            status = f"it answered {answer.status}{f': {reason}' if reason else ''}"
            raise DemandUnknown(place_of(url), status)
        return answer

    def _json(self, text: object) -> Any:
        try:
            return json_text.read(str(text))
        except ValueError:
            raise DemandUnknown(place_of(self._options.url), "its answer is not JSON") from None

    def _object(self, text: str) -> Mapping[str, Any]:
        value = self._json(text.removeprefix("\ufeff"))
        if not isinstance(value, dict):
            raise DemandUnknown(place_of(self._options.url), "its answer is not an object")
        return value

    def _text(self, made: Mapping[str, Any], name: str) -> str:
        value = made.get(name)
        good = isinstance(value, str) and value.isascii() and value.isprintable()
        if not good or not value or len(str(value)) > _LONGEST:
            raise DemandUnknown(place_of(self._options.url), f"its answer has no {name}")
        return str(value)

    def _address(self, made: Mapping[str, Any], name: str) -> str:
        """Return an address from an answer; refuse one to which a token must not be sent."""
        url = self._text(made, name)
        private = url.startswith("http") and (self._options.plain_token or is_private(url))
        if not private or "@" in url or " " in url:
            raise DemandUnknown(place_of(self._options.url), f"its {name} is not safe for a token")
        return url

    def _whole(self, made: Mapping[str, Any], name: str) -> int:
        value = made.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise DemandUnknown(place_of(self._options.url), f"its answer has no {name}")
        return value

    def _assigned(self, made: Mapping[str, Any]) -> int:
        statistics = made.get("statistics")
        if not isinstance(statistics, dict):
            raise DemandUnknown(place_of(self._options.url), "its answer has no statistics")
        return self._whole(statistics, "totalAssignedJobs")


def _scope(address: str) -> str:
    """Return the path in the API for the owner of the runners, given by its address."""
    parts = urlsplit(address).path.strip("/").split("/")
    if parts[0] == "enterprises" or len(parts) == 1:
        return "/".join(parts) if parts[0] == "enterprises" else f"orgs/{parts[0]}"
    return f"repos/{'/'.join(parts)}"


def _with(url: str, query: str) -> str:
    return f"{url}{'&' if urlsplit(url).query else '?'}{query}"
