"""A user of a real ARC CE for one test, and the trouble that the CE can have.

Each test is another user, so it sees only its own jobs. A-REX stands still until the test lets time
pass: jobs that are accepted wait, and A-REX uses no processor.
"""

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex
from types import MappingProxyType
from typing import Any

from tests.backends.arc_tap import Answer, Request, Tap
from tests.backends.arc_tap import Trouble as Mischief
from tests.testbeds.arc import jobs
from tests.testbeds.arc.pki import Holder, write_secret
from tests.testbeds.arc.service import Testbed
from worker.backends.arc.driver import ArcDriver
from worker.backends.arc.options import ArcOptions
from worker.backends.conformance import Life, Site, Trouble, never
from worker.backends.contract import Driver, Means
from worker.db.uow import UnitOfWork
from worker.domain.ce import CE
from worker.domain.errors import CredentialProblem
from worker.domain.vo import DEFAULT_VO

LIVES: dict[Life, str] = {
    Life.LONG: "exec sleep 1000",
    Life.SHORT: "exit 0",
    Life.FAILING: "exit 3",
    Life.CHATTY: "yes | head -c 3000000",
}


class ArcSite(Site):
    """One CE and one user of it."""

    cannot: Mapping[Trouble, str] = MappingProxyType(
        {
            Trouble.LEFT_LISTING: "listing and history are one",
            Trouble.REQUEUED: "A-REX starts a job again only when it is asked to",
        }
    )
    cannot_lie = never("A-REX writes what it says of a pilot")
    many = 100
    many_ids = 20_000
    time_limit = 1
    step = 0.3
    patience = 3000

    def __init__(self, testbed: Testbed, folder: Path, uow: UnitOfWork) -> None:
        self.testbed = testbed
        self.uow = uow
        self.drivers: list[ArcDriver] = []
        self.folder = folder
        self.user: Holder = testbed.authority.holder(f"User {token_hex(8)}")
        testbed.admit(self.user.subject)
        self.proxy = write_secret(folder / "proxy.pem", self.user.proxy())
        self.credentials: dict[str, Path | CredentialProblem] = {DEFAULT_VO: self.proxy}
        self.clock_ahead = timedelta()
        self.tap = Tap(testbed, self.proxy)
        self.testbed.stand_still()

    def connect(self, life: Life = Life.LONG) -> Driver:
        return self.driver(command=LIVES[life])

    def connect_second(self, life: Life = Life.LONG) -> Driver:
        return self._driver("ce2", command=LIVES[life])

    def driver(self, **options: Any) -> ArcDriver:
        """Return a driver with other options."""
        return self._driver("ce1", **options)

    def _driver(self, name: str, **options: Any) -> ArcDriver:
        ce_options = self.ce_options(**options)
        ce = CE(name=name, backend="arc", capacity=1000, options=ce_options)
        means = Means(
            uow=self.uow, home=self.folder, now=self.now, credentials=lambda kind: self.credentials
        )
        self.drivers.append(ArcDriver(ce, ArcOptions(**ce_options), means))
        return self.drivers[-1]

    def ce_options(self, **options: Any) -> dict[str, Any]:
        """Return the options of the CE."""
        return {
            "url": f"https://localhost:{self.tap.port}",
            "ca": self.testbed.ca,
            "queue": "fork",
            "information_delay": 1000,
            "jobs_per_request": 40,
            **options,
        }

    @property
    def owner(self) -> str:
        """The name of the user in the driver."""
        return self.user.certificate.subject.rfc4514_string()

    def contents(self) -> object:
        by_stamp = jobs.jobs_by_stamp(self.testbed.control)
        return sorted((stamp, job.id) for stamp, some in by_stamp.items() for job in some)

    def grow_old(self) -> None:
        self.clock_ahead = timedelta(hours=7)

    def unknown_handle(self, number: int) -> str:
        return f"nosuch{number:048d}m"

    def now(self) -> datetime:
        return datetime.now(UTC) + self.clock_ahead

    def wait(self, seconds: float) -> None:
        if seconds > 0:
            self.testbed.go_on()
            time.sleep(seconds)

    def ids(self, stamps: Sequence[str]) -> set[str]:
        """Return the CE's ids of the jobs with these stamps."""
        by_stamp = jobs.jobs_by_stamp(self.testbed.control)
        return {job.id for stamp in stamps for job in by_stamp.get(stamp, [])}

    def act(self, action: str, ids: Sequence[str]) -> Any:
        """Execute an action on jobs as the same user, with another client."""
        body = {"job": [{"id": job} for job in ids]}
        with self.tap.client() as client:
            address = self.tap.address(f"/arex/rest/1.0/jobs?action={action}")
            return client.post(address, json=body).raise_for_status()

    def end(self) -> None:
        """Kill all jobs of this user, and remove them."""
        with self.tap.client() as client:
            answer = client.get(
                self.tap.address("/arex/rest/1.0/jobs"), headers={"Accept": "application/json"}
            )
        ids = re.findall(r'"id":"(\w+)"', answer.text)
        for action in ("kill", "clean") if ids else ():
            self.act(action, ids)
        self.testbed.go_on()
        self.tap.__exit__()

    @contextmanager
    def provoke(self, trouble: Trouble, stamps: Sequence[str]) -> Iterator[None]:
        makers = {
            Trouble.DOWN: self._down,
            Trouble.SLOW: self._slow,
            Trouble.CREDENTIAL: self._with_expired_proxy,
            Trouble.FORGOTTEN: self._forget,
            Trouble.REMOVED: self._remove,
            Trouble.NEVER_STARTS: self._never_starts,
        }
        if trouble in makers:
            with makers[trouble](stamps):
                yield
            return
        with self.mischief(MISCHIEF[trouble](self, stamps)):
            yield

    @contextmanager
    def mischief(self, mischief: Mischief) -> Iterator[None]:
        """Let the tap do this mischief while the block runs."""
        self.tap.trouble = mischief
        yield
        self.tap.trouble = None
        self.tap.over.set()

    @contextmanager
    def _down(self, _: Sequence[str]) -> Iterator[None]:
        self.tap.down()
        yield
        self.tap.up()

    @contextmanager
    def _slow(self, stamps: Sequence[str]) -> Iterator[None]:
        """Give the drivers a short time limit: a CE that is not slow may need more."""
        for driver in self.drivers:
            impatient = driver.session.options.model_copy(update={"call_timeout": self.time_limit})
            driver.session = replace(driver.session, options=impatient)
        with self.mischief(_Slow(self, stamps)):
            yield

    @contextmanager
    def _with_expired_proxy(self, _: Sequence[str]) -> Iterator[None]:
        old = self.user.proxy(lifetime=-timedelta(hours=1), age=timedelta(hours=2))
        self.credentials[DEFAULT_VO] = write_secret(self.folder / "expired.pem", old)
        yield
        self.credentials[DEFAULT_VO] = self.proxy

    @contextmanager
    def _forget(self, stamps: Sequence[str]) -> Iterator[None]:
        ids = self.ids(stamps)
        self.act("kill", sorted(ids))
        jobs.forget(self.testbed.control, ids)
        yield

    @contextmanager
    def _remove(self, stamps: Sequence[str]) -> Iterator[None]:
        with suppress(ValueError):
            self.act("kill", sorted(self.ids(stamps)))
        yield

    @contextmanager
    def _never_starts(self, _: Sequence[str]) -> Iterator[None]:
        self.testbed.stand_still()
        yield


class _Of(Mischief):
    def __init__(self, site: ArcSite, stamps: Sequence[str]) -> None:
        self.site = site
        self.stamps = stamps


class Lost(Mischief):
    """The CE accepts jobs, but its answer is lost."""

    def change_answer(self, request: Request, answer: Answer) -> Answer:
        return replace(answer, is_lost=request.is_about("new"))


class _ReplyLost(Lost, _Of):
    pass


class _Half(_Of):
    def change_answer(self, request: Request, answer: Answer) -> Answer:
        if not request.is_about("new"):
            return answer
        all_jobs = json.loads(answer.body)["job"]
        # Half of the list without its first job: a position in the list identifies no job.
        half = all_jobs[1 : 1 + len(all_jobs) // 2]
        return replace(answer, body=json.dumps({"job": half}).encode())


class _Refusal(_Of):
    def change_request(self, request: Request) -> Request:
        pieces = request.body.split(b"<ActivityDescription ")
        new_pieces = [
            piece.replace(b"<QueueName>fork<", b"<QueueName>nosuch<")
            if any(stamp.encode() in piece for stamp in self.stamps)
            else piece
            for piece in pieces
        ]
        return replace(request, body=b"<ActivityDescription ".join(new_pieces))


class _Slow(_Of):
    def change_request(self, request: Request) -> Request:
        self.site.tap.over.wait(10 * self.site.time_limit)
        return request


class _Empty(_Of):
    def change_answer(self, request: Request, answer: Answer) -> Answer:
        return replace(answer, body=b"") if "/jobs" in request.path else answer


class _Truncated(_Of):
    def change_answer(self, request: Request, answer: Answer) -> Answer:
        return replace(answer, cut=request.method == "GET" and request.path.endswith("/jobs"))


class _Unreadable(_Of):
    def change_answer(self, request: Request, answer: Answer) -> Answer:
        return replace(answer, body=b"<html>be patient</html>")


class _StrangeWord(_Of):
    def change_answer(self, request: Request, answer: Answer) -> Answer:
        if not request.is_about("status"):
            return answer
        return replace(
            answer, body=re.sub(rb'"state":"\w+"', b'"state":"HIBERNATING"', answer.body)
        )


class _Garbage(_Of):
    def change_answer(self, request: Request, answer: Answer) -> Answer:
        if answer.headers.get("content-type") != "application/json":
            return answer
        garbage = b'"reason":"\xff\x00\x1b[2J\xc3"'
        body = re.sub(rb'"reason":"[^"]*"', lambda _: garbage, answer.body)
        return replace(answer, body=re.sub(rb'"state":"A', b'"state":"\x1b\xffA', body))


class _Skewed(_Of):
    def change_answer(self, request: Request, answer: Answer) -> Answer:
        def later(match: re.Match[bytes]) -> bytes:
            moment = datetime.fromisoformat(match[0].decode()) + timedelta(minutes=10)
            return moment.strftime("%Y-%m-%dT%H:%M:%SZ").encode()

        body = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", later, answer.body)
        return replace(answer, body=body)


MISCHIEF: Mapping[Trouble, type[_Of]] = {
    Trouble.REPLY_LOST: _ReplyLost,
    Trouble.HALF: _Half,
    Trouble.REFUSAL: _Refusal,
    Trouble.EMPTY: _Empty,
    Trouble.TRUNCATED: _Truncated,
    Trouble.UNREADABLE: _Unreadable,
    Trouble.STRANGE_WORD: _StrangeWord,
    Trouble.GARBAGE: _Garbage,
    Trouble.SKEWED: _Skewed,
}
