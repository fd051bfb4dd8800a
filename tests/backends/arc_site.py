"""A user of a real ARC CE for one test, and the trouble that can be made for it.

Every test is another user, so it sees jobs of its own only. A-REX stands still until the test
lets time pass: what is accepted then waits, and nothing else takes the processors.
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

from tests.backends.arc_tap import Answered, Asked, Tap
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
    """One CE, as one user sees it."""

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
        self.made: list[ArcDriver] = []
        self.folder = folder
        self.user: Holder = testbed.authority.holder(f"User {token_hex(8)}")
        testbed.admit(self.user.subject)
        self.proxy = write_secret(folder / "proxy.pem", self.user.proxy())
        self.held: dict[str, Path | CredentialProblem] = {DEFAULT_VO: self.proxy}
        self.clock_ahead = timedelta()
        self.tap = Tap(testbed, self.proxy)
        self.testbed.stand_still()

    def connect(self, life: Life = Life.LONG) -> Driver:
        return self.driver(command=LIVES[life])

    def connect_second(self, life: Life = Life.LONG) -> Driver:
        return self._driver("ce2", command=LIVES[life])

    def driver(self, **options: Any) -> ArcDriver:
        """Make a driver with other options."""
        return self._driver("ce1", **options)

    def _driver(self, name: str, **options: Any) -> ArcDriver:
        told = self.told(**options)
        ce = CE(name=name, backend="arc", capacity=1000, options=told)
        means = Means(
            uow=self.uow, home=self.folder, now=self.now, credentials=lambda kind: self.held
        )
        self.made.append(ArcDriver(ce, ArcOptions(**told), means))
        return self.made[-1]

    def told(self, **options: Any) -> dict[str, Any]:
        """Write the options of the CE."""
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
        """Name the user as the driver does."""
        return self.user.certificate.subject.rfc4514_string()

    def contents(self) -> object:
        found = jobs.jobs_by_stamp(self.testbed.control)
        return sorted((stamp, job.id) for stamp, some in found.items() for job in some)

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
        """Tell the CE's ids of the jobs with these stamps."""
        found = jobs.jobs_by_stamp(self.testbed.control)
        return {job.id for stamp in stamps for job in found.get(stamp, [])}

    def act(self, action: str, ids: Sequence[str]) -> Any:
        """Do something to jobs, as the same user by another client."""
        body = {"job": [{"id": job} for job in ids]}
        with self.tap.client() as client:
            address = self.tap.address(f"/arex/rest/1.0/jobs?action={action}")
            return client.post(address, json=body).raise_for_status()

    def end(self) -> None:
        """End all jobs of this user, and have them cleaned away."""
        with self.tap.client() as client:
            listed = client.get(
                self.tap.address("/arex/rest/1.0/jobs"), headers={"Accept": "application/json"}
            )
        ids = re.findall(r'"id":"(\w+)"', listed.text)
        for action in ("kill", "clean") if ids else ():
            self.act(action, ids)
        self.testbed.go_on()
        self.tap.__exit__()

    @contextmanager
    def provoke(self, trouble: Trouble, stamps: Sequence[str]) -> Iterator[None]:
        makers = {
            Trouble.DOWN: self._down,
            Trouble.SLOW: self._slow,
            Trouble.CREDENTIAL: self._expired,
            Trouble.FORGOTTEN: self._forgotten,
            Trouble.REMOVED: self._removed,
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
        """Let the tap do mischief."""
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
        """Only where the CE keeps it waiting has a driver so little patience."""
        for driver in self.made:
            impatient = driver.session.options.model_copy(update={"call_timeout": self.time_limit})
            driver.session = replace(driver.session, options=impatient)
        with self.mischief(_Slow(self, stamps)):
            yield

    @contextmanager
    def _expired(self, _: Sequence[str]) -> Iterator[None]:
        expired = self.user.proxy(lifetime=-timedelta(hours=1), age=timedelta(hours=2))
        self.held[DEFAULT_VO] = write_secret(self.folder / "expired.pem", expired)
        yield
        self.held[DEFAULT_VO] = self.proxy

    @contextmanager
    def _forgotten(self, stamps: Sequence[str]) -> Iterator[None]:
        ids = self.ids(stamps)
        self.act("kill", sorted(ids))
        jobs.forget(self.testbed.control, ids)
        yield

    @contextmanager
    def _removed(self, stamps: Sequence[str]) -> Iterator[None]:
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
    """Jobs are accepted, and the answer never comes."""

    def answered(self, asked: Asked, answer: Answered) -> Answered:
        return replace(answer, lost=asked.is_about("new"))


class _ReplyLost(Lost, _Of):
    pass


class _Half(_Of):
    def answered(self, asked: Asked, answer: Answered) -> Answered:
        if not asked.is_about("new"):
            return answer
        told = json.loads(answer.body)["job"]
        # The first half, but not from the beginning: a place in the list is no name.
        half = told[1 : 1 + len(told) // 2]
        return replace(answer, body=json.dumps({"job": half}).encode())


class _Refusal(_Of):
    def asked(self, asked: Asked) -> Asked:
        pieces = asked.body.split(b"<ActivityDescription ")
        changed = [
            piece.replace(b"<QueueName>fork<", b"<QueueName>nosuch<")
            if any(stamp.encode() in piece for stamp in self.stamps)
            else piece
            for piece in pieces
        ]
        return replace(asked, body=b"<ActivityDescription ".join(changed))


class _Slow(_Of):
    def asked(self, asked: Asked) -> Asked:
        self.site.tap.over.wait(10 * self.site.time_limit)
        return asked


class _Empty(_Of):
    def answered(self, asked: Asked, answer: Answered) -> Answered:
        return replace(answer, body=b"") if "/jobs" in asked.path else answer


class _Truncated(_Of):
    def answered(self, asked: Asked, answer: Answered) -> Answered:
        return replace(answer, cut=asked.method == "GET" and asked.path.endswith("/jobs"))


class _Unreadable(_Of):
    def answered(self, asked: Asked, answer: Answered) -> Answered:
        return replace(answer, body=b"<html>be patient</html>")


class _StrangeWord(_Of):
    def answered(self, asked: Asked, answer: Answered) -> Answered:
        if not asked.is_about("status"):
            return answer
        return replace(
            answer, body=re.sub(rb'"state":"\w+"', b'"state":"HIBERNATING"', answer.body)
        )


class _Garbage(_Of):
    def answered(self, asked: Asked, answer: Answered) -> Answered:
        if answer.headers.get("content-type") != "application/json":
            return answer
        garbage = b'"reason":"\xff\x00\x1b[2J\xc3"'
        body = re.sub(rb'"reason":"[^"]*"', lambda _: garbage, answer.body)
        return replace(answer, body=re.sub(rb'"state":"A', b'"state":"\x1b\xffA', body))


class _Skewed(_Of):
    def answered(self, asked: Asked, answer: Answered) -> Answered:
        def later(found: re.Match[bytes]) -> bytes:
            moment = datetime.fromisoformat(found[0].decode()) + timedelta(minutes=10)
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
