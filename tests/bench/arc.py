"""The back-end arc against a bare client of REST: `python -m tests.bench.arc [6|7]`.

Both do the same to a private ARC CE, in turn: send the descriptions of 1,000 jobs, with the same
number in a request, and ask for the status of 1,000. The result is the ratio of the times.
"""

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.backends.arc_site import ArcSite
from tests.bench.turns import AIM, ratios
from tests.testbeds.arc.__main__ import down, up
from tests.testbeds.arc.service import Testbed
from worker.backends.arc.description import bodies, describe
from worker.backends.arc.memory import metadata
from worker.db.engine import make_engine, parse_url
from worker.db.uow import UnitOfWork
from worker.domain.ce_answers import Job
from worker.domain.pilot import GROUP_SIZE


class Sides:
    """The same work by our driver and by hand, each time as another user."""

    def __init__(self, testbed: Testbed, uow: UnitOfWork, folder: Path) -> None:
        self.site = ArcSite(testbed, folder, uow)
        # The web service takes no more jobs while A-REX has not noticed a thousand.
        testbed.go_on()
        self.driver = self.site.driver(jobs_per_request=200, call_timeout=140)
        self.jobs: list[Job] = []
        self.ids: list[str] = []

    def submit(self) -> tuple[Callable[[], object], Callable[[], object]]:
        # The first pilots of a proxy delegate it; this is not repeated.
        [first] = self.driver.submit(self.site.orders(1))
        assert first.handle is not None
        orders = self.site.orders(GROUP_SIZE)
        again = [
            describe(order, "ce1", "bare", self.driver.session.options, self._delegation())
            for order in self.site.orders(GROUP_SIZE)
        ]

        def ours() -> None:
            receipts = self.driver.submit(orders)
            self.jobs = [Job(stamp=one.stamp, handle=str(one.handle)) for one in receipts]
            assert len(self.jobs) == GROUP_SIZE

        def bare() -> None:
            # Each request has a connection of its own, as with curl.
            for _, body in bodies(again, 200):
                answer = self._post("new", body, "application/xml")
                self.ids += [one["id"] for one in answer["job"]]
            assert len(self.ids) == GROUP_SIZE

        return ours, bare

    def status(self) -> tuple[Callable[[], object], Callable[[], object]]:
        body = json.dumps({"job": [{"id": one} for one in self.ids]}).encode()
        # The first question learns what later ones need not ask.
        self.driver.poll(self.jobs)

        def ours() -> None:
            assert len(self.driver.poll(self.jobs)) == GROUP_SIZE

        def bare() -> None:
            assert len(self._post("status", body, "application/json")["job"]) == GROUP_SIZE

        return ours, bare

    def clear(self) -> None:
        self.site.end()

    def _delegation(self) -> str | None:
        """Return the delegation of the driver."""
        with self.site.uow() as tx:
            query = "SELECT delegation FROM arc_identities WHERE owner = ?"
            cursor = tx.connection.exec_driver_sql(query, (self.site.owner,))
            return str(cursor.scalar_one())

    def _post(self, action: str, body: bytes, kind: str) -> Any:
        url = self.site.tap.address(f"/arex/rest/1.0/jobs?action={action}")
        headers = {"Content-Type": kind, "Accept": "application/json"}
        with self.site.tap.client() as client:
            return client.post(url, content=body, headers=headers).raise_for_status().json()


def rounds(testbed: Testbed, folder: Path, number: int = 3) -> Iterator[Sides]:
    """Yield this number of new beginnings."""
    engine = make_engine(parse_url("sqlite://"))
    metadata.create_all(engine)
    for n in range(number):
        own = folder / f"round{n}"
        own.mkdir()
        yield Sides(testbed, UnitOfWork(engine), own)
    engine.dispose()


def main(version: str = "6") -> int:
    """Measure at a CE of its own and print the ratios; the exit code is 0 if the aim is met."""
    with tempfile.TemporaryDirectory(prefix="pilotage-bench-") as place:
        Path(place).chmod(0o711)
        testbed = up(Path(place) / "arc", version)
        try:
            factors = ratios(rounds(testbed, Path(place)))
        finally:
            down(Path(place) / "arc")
    sys.stdout.write(json.dumps(factors) + "\n")
    return 0 if max(factors.values()) <= AIM else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
