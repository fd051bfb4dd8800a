"""Ten thousand pilots are cancelled by a filter through the server, while tasks go on."""

import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select

from tests.factories import a_ce, a_pilot
from tests.patience import until, wait_for
from tests.services.world import Fake, World
from tests.web.server import serving
from tests.web.site import Site
from worker.db import vos
from worker.db.tables import ces, pilots
from worker.domain.ce_answers import Cancelled, Job, Observed, Order, Receipt
from worker.domain.errors import DatabaseBusy
from worker.domain.pilot import OCCUPYING, Status
from worker.domain.vo import DEFAULT_VO
from worker.services.runtime import Runtime
from worker.services.tasks import check_pilots, dispatch, submit_pilots

pytestmark = pytest.mark.processes

BIG, BESIDE = "big", "beside"
MANY, ROOM = 10_000, 300
PAUSE = 0.05
"""Seconds between two rounds: SQLite has one writer at a time, and keeps no queue."""


class Runs(Fake):
    """A CE at which each pilot runs until it is cancelled."""

    def submit(self, orders: Sequence[Order]) -> Sequence[Receipt]:
        return [Receipt(stamp=order.stamp, handle=order.stamp) for order in orders]

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        return [Observed(stamp=j.stamp, handle=j.handle, status=Status.RUNNING) for j in jobs]

    def cancel(self, jobs: Sequence[Job]) -> Sequence[Cancelled]:
        return [Cancelled(stamp=job.stamp, accepted=True) for job in jobs]


class Ticks:
    """Allocates, sends and checks at one CE, again and again."""

    def __init__(self, runtime: Runtime, ce: str) -> None:
        self._runtime, self._ce = runtime, ce
        self._end = threading.Event()
        self.rounds = 0
        self.errors: list[BaseException] = []
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            while not self._end.wait(PAUSE):
                with suppress(DatabaseBusy):  # the next round does it, as with a worker
                    submit_pilots.submit_pilots(self._runtime, DEFAULT_VO)
                    for task in (dispatch.dispatch, check_pilots.check_pilots):
                        task(self._runtime, self._ce)
                    self.rounds += 1
        except BaseException as error:
            self.errors.append(error)
            raise

    def goes_on(self) -> None:
        """Wait until another round has ended well."""
        before = self.rounds
        until(lambda: self.errors or self.rounds > before, f"another round at {self._ce}")
        assert not self.errors

    def end(self) -> None:
        self._end.set()
        wait_for(self.thread)


def counts(world: World, ce: str) -> Counter[tuple[Status, bool]]:
    """Count the pilots of a CE by status and by whether somebody asked for their end."""
    is_to_end = pilots.c.cancel_requested_at.is_not(None).label("to_end")
    query = (
        select(pilots.c.status, is_to_end, func.count().label("number"))
        .join(ces, ces.c.id == pilots.c.ce_id)
        .where(ces.c.name == ce)
        .group_by(pilots.c.status, is_to_end)
    )
    with world.database.uow() as tx:
        return Counter({(row.status, bool(row.to_end)): row.number for row in tx.execute(query)})


def test_ten_thousand_are_cancelled_while_ticks_go_on(now_site: Site, tmp_path: Path) -> None:
    world = now_site.world
    big = world.ce(a_ce().named(BIG).with_capacity(MANY))
    world.ce(a_ce().named(BESIDE).with_capacity(ROOM))
    with world.database.uow() as tx:
        lhcb = vos.get(tx, "lhcb")
    world.make(a_pilot().on(big).for_vo(lhcb).running(), MANY)
    now = {"now": lambda: datetime.now(UTC), "by_hand": True}
    ticks = [Ticks(world.with_driver(Runs(), **now), ce) for ce in (BIG, BESIDE)]

    with serving(world.database, tmp_path / "home") as server:
        for one in ticks:
            one.thread.start()
        try:
            for one in ticks:
                one.goes_on()
            answer = httpx.post(
                f"{server.url}/api/pilots/cancel",
                json={"ce": BIG, "statuses": ["running"]},
                headers={**now_site.headers("operate"), "Idempotency-Key": "all of them"},
                timeout=600,
            )
            for one in ticks:
                one.goes_on()
        finally:
            for one in ticks:
                one.end()
    assert answer.status_code == 200, answer.text
    assert answer.json()["counts"]["asked"] == MANY
    assert not [one.errors for one in ticks if one.errors]

    at_big, beside = counts(world, BIG), counts(world, BESIDE)
    assert at_big == {(Status.RUNNING, True): MANY}
    assert set(beside) <= {(status, False) for status in OCCUPYING}
    assert beside.total() == ROOM
