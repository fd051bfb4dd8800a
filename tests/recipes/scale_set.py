"""A server that speaks the protocol of GitHub with a runner scale set and with its runners.

It loses sessions and repeats messages on purpose, and records how many runners have no job.
"""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.http_servers import served

TOKEN = "token-of-an-administrator"
REGISTRATION, ADMINISTRATION = "token-to-register", "token-of-the-service"
SETS = "/service/_apis/runtime/runnerscalesets/7"
Reply = tuple[int, Any]


@dataclass
class Job:
    """A job, which is available, then assigned, then running, then done."""

    number: int
    state: str = "available"
    runs: int = 0


@dataclass
class Session:
    """A session and the token that opens its queue."""

    key: str
    token: str
    begin: float
    polls: int = 0


@dataclass
class ScaleSet:
    """What GitHub knows of the scale set. Who reads or changes it must hold the lock."""

    forget_after: float = 4.0
    """Seconds after which a silent session ends."""
    lock: threading.Condition = field(default_factory=threading.Condition)
    jobs: dict[int, Job] = field(default_factory=dict)
    runners: dict[str, int | None] = field(default_factory=dict)
    """The number of the job of each runner, by the name of the runner."""
    messages: list[int] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    session: Session | None = None
    sessions: int = 0
    most_above: int = -10_000
    """The number of runners minus the number of assigned jobs, at its highest."""
    notes: dict[str, int] = field(default_factory=dict)
    faulty: bool = True

    def offer(self, count: int) -> None:
        with self.lock:
            for _ in range(count):
                number = len(self.jobs) + 1
                self.jobs[number] = Job(number)
            self.messages.append(max(self.messages, default=0) + 1)
            self.lock.notify_all()

    def count(self, *states: str) -> int:
        with self.lock:
            return sum(job.state in states for job in self.jobs.values())

    @property
    def assigned(self) -> int:
        return sum(job.state in ("assigned", "running") for job in self.jobs.values())

    def note(self, what: str) -> int:
        self.notes[what] = self.notes.get(what, 0) + 1
        return self.notes[what]

    def look(self) -> None:
        self.most_above = max(self.most_above, len(self.runners) - self.assigned)


def statistics(scale_set: ScaleSet) -> dict[str, int]:
    states = [job.state for job in scale_set.jobs.values()]
    return {
        "totalAvailableJobs": states.count("available"),
        "totalAcquiredJobs": states.count("assigned"),
        "totalAssignedJobs": scale_set.assigned,
        "totalRunningJobs": states.count("running"),
        "totalRegisteredRunners": len(scale_set.runners),
        "totalBusyRunners": states.count("running"),
        "totalIdleRunners": len(scale_set.runners) - states.count("running"),
    }


class Handler(BaseHTTPRequestHandler):
    """The answer to one request. The public client uses the same routes."""

    protocol_version = "HTTP/1.1"
    scale_set: ScaleSet
    address: str

    def log_message(self, *arguments: Any) -> None:
        """Log nothing."""

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"null") if length else None
        path = urlsplit(self.path).path
        for (method, pattern), answer in ROUTES.items():
            match = re.fullmatch(pattern, path)
            if method == self.command and match:
                status, reply = answer(self, body, *match.groups())
                break
        else:
            status, reply = 404, {"path": path}
        data = b"" if reply is None else json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        with suppress(BrokenPipeError, ConnectionResetError):  # the client may be gone
            self.end_headers()
            self.wfile.write(data)

    do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815 - the names of the library

    def bearer(self) -> str:
        return str(self.headers.get("Authorization", ""))

    def is_administrator(self) -> bool:
        return self.bearer() == f"Bearer {ADMINISTRATION}"

    def registration(self, body: Any) -> Reply:
        return (201, {"token": REGISTRATION}) if self.bearer() == f"Bearer {TOKEN}" else (401, None)

    def register(self, body: Any) -> Reply:
        if self.bearer() != f"RemoteAuth {REGISTRATION}" or not body["url"].startswith("http"):
            return 403, None
        return 200, {"url": f"{self.address}/service", "token": ADMINISTRATION}

    def open(self, body: Any) -> Reply:
        if not self.is_administrator() or not body["ownerName"]:
            return 403, None
        scale_set = self.scale_set
        with scale_set.lock:
            old = scale_set.session
            if old is not None and time.monotonic() - old.begin < scale_set.forget_after:
                scale_set.note("conflict")
                return 409, None
            scale_set.sessions += 1
            key = f"session-{scale_set.sessions}"
            scale_set.session = Session(key, f"queue-of-{key}", time.monotonic())
            return 200, self._session(scale_set.session)

    def _session(self, session: Session) -> dict[str, Any]:
        return {
            "sessionId": session.key,
            "messageQueueUrl": f"{self.address}/queue?session={session.key}",
            "messageQueueAccessToken": session.token,
            "statistics": statistics(self.scale_set),
        }

    def renew(self, body: Any, key: str) -> Reply:
        with self.scale_set.lock:
            session = self.scale_set.session
            if not self.is_administrator() or session is None or session.key != key:
                return 404, None
            self.scale_set.note("renewed")
            session.token = f"{session.token}-anew"
            return 200, self._session(session)

    def close(self, body: Any, key: str) -> Reply:
        with self.scale_set.lock:
            if self.scale_set.session is not None and self.scale_set.session.key == key:
                self.scale_set.session = None
            return 204, None

    def poll(self, body: Any) -> Reply:
        scale_set, query = self.scale_set, parse_qs(urlsplit(self.path).query)
        last = int(query.get("lastMessageId", ["0"])[0])
        with scale_set.lock:
            session = scale_set.session
            if session is None or self.bearer() != f"Bearer {session.token}":
                return 401, None
            session.polls += 1
            if scale_set.faulty and session.polls == 1 and scale_set.sessions % 3 == 0:
                session.token = f"{session.token}-old"  # from now on the old token is refused
                return 401, None
            if scale_set.faulty and session.polls == 1 and scale_set.sessions % 5 == 0:
                scale_set.note("lost")
                scale_set.session = None
                return 401, None
            scale_set.lock.wait_for(lambda: any(one > last for one in scale_set.messages), 0.5)
            new = [one for one in scale_set.messages if one > last]
            if not new:
                return 202, None
            if scale_set.note(f"message {new[0]}") > 1:
                scale_set.note("repeated")
            offers = [
                {"messageType": "JobAvailable", "runnerRequestId": job.number}
                for job in scale_set.jobs.values()
                if job.state == "available"
            ]
            return 200, {
                "messageId": new[0],
                "messageType": "RunnerScaleSetJobMessages",
                "body": json.dumps(offers),
                "statistics": statistics(scale_set),
            }

    def acknowledge(self, body: Any, number: str) -> Reply:
        with self.scale_set.lock:
            # Each message comes once more, although it was acknowledged.
            if not self.scale_set.faulty or self.scale_set.note(f"acknowledged {number}") > 1:
                self.scale_set.messages = [
                    one for one in self.scale_set.messages if one != int(number)
                ]
            return 204, None

    def acquire(self, body: Any) -> Reply:
        with self.scale_set.lock:
            numbers = [n for n in body if self.scale_set.jobs[n].state == "available"]
            for number in numbers:
                self.scale_set.jobs[number].state = "assigned"
            return 200, {"count": len(numbers), "value": numbers}

    def configure(self, body: Any) -> Reply:
        scale_set, name = self.scale_set, body["name"]
        with scale_set.lock:
            if not self.is_administrator():
                return 403, None
            if name in scale_set.names:
                return 409, None
            scale_set.names.add(name)
            scale_set.runners[name] = None
            scale_set.look()
            return 200, {"runner": {"name": name}, "encodedJITConfig": f"config-of-{name}"}

    def begin(self, body: Any) -> Reply:
        """Give a runner its one job. GitHub has no such route; the runner of the test uses it."""
        scale_set, name = self.scale_set, body["config"].removeprefix("config-of-")
        with scale_set.lock:
            if name not in scale_set.runners:
                return 403, None
            job = next((one for one in scale_set.jobs.values() if one.state == "assigned"), None)
            if job is None:
                return 202, None
            job.state, job.runs = "running", job.runs + 1
            scale_set.runners[name] = job.number
            return 200, {"job": job.number}

    def complete(self, body: Any) -> Reply:
        scale_set, name = self.scale_set, body["config"].removeprefix("config-of-")
        with scale_set.lock:
            number = scale_set.runners.pop(name)
            if number is not None:
                scale_set.jobs[number].state = "done"
            scale_set.look()
            return 204, None


ROUTES: dict[tuple[str, str], Callable[..., Reply]] = {
    ("POST", "/api/orgs/octo/actions/runners/registration-token"): Handler.registration,
    ("POST", "/api/actions/runner-registration"): Handler.register,
    ("POST", f"{SETS}/sessions"): Handler.open,
    ("PATCH", f"{SETS}/sessions/([^/]+)"): Handler.renew,
    ("DELETE", f"{SETS}/sessions/([^/]+)"): Handler.close,
    ("GET", "/queue"): Handler.poll,
    ("DELETE", "/queue/([0-9]+)"): Handler.acknowledge,
    ("POST", f"{SETS}/acquirejobs"): Handler.acquire,
    ("POST", f"{SETS}/generatejitconfig"): Handler.configure,
    ("POST", "/runner/begin"): Handler.begin,
    ("POST", "/runner/finish"): Handler.complete,
}


@contextmanager
def serving(scale_set: ScaleSet) -> Iterator[str]:
    """Serve while the block runs; yield the address."""

    class Bound(Handler):
        pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
    server.daemon_threads = True
    Bound.scale_set, Bound.address = scale_set, f"http://127.0.0.1:{server.server_port}"
    with served(server):
        yield Bound.address
