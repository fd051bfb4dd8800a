"""A server that speaks as GitHub does to what keeps a runner scale set, and to its runners.

It loses sessions and repeats messages on purpose, and notes how many runners there are at a time.
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
    """A job: offered, then assigned, then run by a runner, then done."""

    number: int
    state: str = "available"
    runs: int = 0


@dataclass
class Heard:
    """A session, the token that opens its queue, and whether that is too old."""

    key: str
    token: str
    opened: float
    polls: int = 0


@dataclass
class ScaleSet:
    """What is known on the other side. Whoever reads or changes it holds the lock."""

    forget_after: float = 4.0
    """Seconds after which a session that says nothing is gone."""
    lock: threading.Condition = field(default_factory=threading.Condition)
    jobs: dict[int, Job] = field(default_factory=dict)
    runners: dict[str, int | None] = field(default_factory=dict)
    """By name, the job that a runner has."""
    messages: list[int] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    session: Heard | None = None
    sessions: int = 0
    most_above: int = -10_000
    """How many runners there were above the jobs that were assigned, at the most."""
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


def statistics(known: ScaleSet) -> dict[str, int]:
    states = [job.state for job in known.jobs.values()]
    return {
        "totalAvailableJobs": states.count("available"),
        "totalAcquiredJobs": states.count("assigned"),
        "totalAssignedJobs": known.assigned,
        "totalRunningJobs": states.count("running"),
        "totalRegisteredRunners": len(known.runners),
        "totalBusyRunners": states.count("running"),
        "totalIdleRunners": len(known.runners) - states.count("running"),
    }


class Handler(BaseHTTPRequestHandler):
    """One request; the routes are those that the public client uses."""

    protocol_version = "HTTP/1.1"
    known: ScaleSet
    address: str

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"null") if length else None
        path = urlsplit(self.path).path
        for (method, pattern), answer in ROUTES.items():
            match = re.fullmatch(pattern, path)
            if method == self.command and match:
                status, said = answer(self, body, *match.groups())
                break
        else:
            status, said = 404, {"path": path}
        data = b"" if said is None else json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        with suppress(BrokenPipeError, ConnectionResetError):  # who asked may have gone
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
        known = self.known
        with known.lock:
            old = known.session
            if old is not None and time.monotonic() - old.opened < known.forget_after:
                known.note("conflict")
                return 409, None
            known.sessions += 1
            key = f"session-{known.sessions}"
            known.session = Heard(key, f"queue-of-{key}", time.monotonic())
            return 200, self._session(known.session)

    def _session(self, session: Heard) -> dict[str, Any]:
        return {
            "sessionId": session.key,
            "messageQueueUrl": f"{self.address}/queue?session={session.key}",
            "messageQueueAccessToken": session.token,
            "statistics": statistics(self.known),
        }

    def renew(self, body: Any, key: str) -> Reply:
        with self.known.lock:
            session = self.known.session
            if not self.is_administrator() or session is None or session.key != key:
                return 404, None
            self.known.note("renewed")
            session.token = f"{session.token}-anew"
            return 200, self._session(session)

    def close(self, body: Any, key: str) -> Reply:
        with self.known.lock:
            if self.known.session is not None and self.known.session.key == key:
                self.known.session = None
            return 204, None

    def poll(self, body: Any) -> Reply:
        known, query = self.known, parse_qs(urlsplit(self.path).query)
        last = int(query.get("lastMessageId", ["0"])[0])
        with known.lock:
            session = known.session
            if session is None or self.bearer() != f"Bearer {session.token}":
                return 401, None
            session.polls += 1
            if known.faulty and session.polls == 1 and known.sessions % 3 == 0:
                session.token = f"{session.token}-old"  # too old from here on
                return 401, None
            if known.faulty and session.polls == 1 and known.sessions % 5 == 0:
                known.note("lost")
                known.session = None
                return 401, None
            known.lock.wait_for(lambda: any(one > last for one in known.messages), 0.5)
            new = [one for one in known.messages if one > last]
            if not new:
                return 202, None
            if known.note(f"message {new[0]}") > 1:
                known.note("repeated")
            offered = [
                {"messageType": "JobAvailable", "runnerRequestId": job.number}
                for job in known.jobs.values()
                if job.state == "available"
            ]
            return 200, {
                "messageId": new[0],
                "messageType": "RunnerScaleSetJobMessages",
                "body": json.dumps(offered),
                "statistics": statistics(known),
            }

    def acknowledge(self, body: Any, number: str) -> Reply:
        with self.known.lock:
            # Each message is said once more, though it was acknowledged.
            if not self.known.faulty or self.known.note(f"acknowledged {number}") > 1:
                self.known.messages = [one for one in self.known.messages if one != int(number)]
            return 204, None

    def acquire(self, body: Any) -> Reply:
        with self.known.lock:
            taken = [n for n in body if self.known.jobs[n].state == "available"]
            for number in taken:
                self.known.jobs[number].state = "assigned"
            return 200, {"count": len(taken), "value": taken}

    def configure(self, body: Any) -> Reply:
        known, name = self.known, body["name"]
        with known.lock:
            if not self.is_administrator():
                return 403, None
            if name in known.names:
                return 409, None
            known.names.add(name)
            known.runners[name] = None
            known.look()
            return 200, {"runner": {"name": name}, "encodedJITConfig": f"config-of-{name}"}

    def begin(self, body: Any) -> Reply:
        """Give a runner its one job; a part of this server's own, for the runner of the test."""
        known, name = self.known, body["config"].removeprefix("config-of-")
        with known.lock:
            if name not in known.runners:
                return 403, None
            job = next((one for one in known.jobs.values() if one.state == "assigned"), None)
            if job is None:
                return 202, None
            job.state, job.runs = "running", job.runs + 1
            known.runners[name] = job.number
            return 200, {"job": job.number}

    def complete(self, body: Any) -> Reply:
        known, name = self.known, body["config"].removeprefix("config-of-")
        with known.lock:
            number = known.runners.pop(name)
            if number is not None:
                known.jobs[number].state = "done"
            known.look()
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
def serving(known: ScaleSet) -> Iterator[str]:
    """Serve as long as the block lasts; return the address."""

    class Bound(Handler):
        pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
    server.daemon_threads = True
    Bound.known, Bound.address = known, f"http://127.0.0.1:{server.server_port}"
    with served(server):
        yield Bound.address
