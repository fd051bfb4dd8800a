"""Our side: each operation as a service calls it, in a unit of work."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import URL, event

from tests.bench.sides import LATER, MINUTE, NOW, Counter
from worker.db import mover, pilot_reads, pilots
from worker.db.engine import make_engine
from worker.db.uow import UnitOfWork
from worker.domain.pilot import Check, Grant, Move, Status


class Ours:
    """The operations of `worker.db`."""

    def __init__(self, url: URL, counter: Counter) -> None:
        self.engine = make_engine(url, application="bench")
        self.uow = UnitOfWork(self.engine)
        event.listen(self.engine, "connect", lambda dbapi, _: counter.install(dbapi))

    def reserve(self, grants: Sequence[Grant]) -> int:
        with self.uow() as tx:
            return len(pilots.reserve(tx, grants, NOW))

    def live(self, grants: Sequence[Grant]) -> int:
        """Take pilots from their reservation to their end; return how many."""
        ids = [pilot for grant in grants for pilot in self._reserve_and_send(grant)]
        self.start(ids)
        return self.move(ids)

    def _reserve_and_send(self, grant: Grant) -> list[int]:
        with self.uow() as tx:
            ids = [pilot.pilot_id for pilot in pilots.reserve(tx, [grant], NOW)]
        self.send(grant.ce, len(ids))
        return ids

    def send(self, ce: str, limit: int) -> int:
        """Claim the reserved pilots of a CE and record that it took them, as dispatch does."""
        with self.uow() as tx:
            batch = pilots.claim(tx, ce, limit, NOW)
        receipts = [
            pilots.receipt_move(
                pilot_id=pilot.pilot_id,
                handle=f"job-{pilot.pilot_id}",
                raw="PENDING",
                next_check_at=LATER,
            )
            for pilot in batch
        ]
        with self.uow() as tx:
            return len(pilots.record(tx, receipts, NOW).moved)

    def submit(self, grants: Sequence[Grant]) -> int:
        """Reserve, claim and record: all the work until a CE has the pilots."""
        ids = self.reserve(grants)
        return sum(self.send(ce, ids) for ce in dict.fromkeys(grant.ce for grant in grants))

    def move(self, ids: Sequence[int]) -> int:
        moves = [Move(pilot_id=i, to=Status.DONE, raw="COMPLETED", exit_code=0) for i in ids]
        with self.uow() as tx:
            return len(mover.move(tx, moves, NOW).moved)

    def start(self, ids: Sequence[int]) -> int:
        moves = [
            Move(pilot_id=i, to=Status.RUNNING, raw="RUNNING", next_check_at=LATER + MINUTE)
            for i in ids
        ]
        with self.uow() as tx:
            return len(mover.move(tx, moves, NOW).moved)

    def check(self, ids: Sequence[int], due_at: datetime = LATER) -> int:
        checks = [Check(pilot_id=i, next_check_at=due_at) for i in ids]
        with self.uow() as tx:
            pilots.checked(tx, checks, NOW)
        return len(ids)

    def due(self, ce: str, limit: int) -> int:
        with self.uow() as tx:
            return len(pilot_reads.due(tx, ce, NOW, limit))

    def cycle(self, ces: Sequence[str]) -> int:
        """Read the due pilots of each CE, and end them."""
        number = 0
        for ce in ces:
            with self.uow() as tx:
                rows = pilot_reads.due(tx, ce, NOW, 1000)
            number += self.move([pilot.id for pilot in rows])
        return number
