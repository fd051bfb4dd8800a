"""Our side: each operation as a service would call it, in a unit of work."""

from collections.abc import Sequence

from sqlalchemy import URL, event

from tests.bench.sides import LATER, NOW, Counter
from worker.db import mover, pilot_reads, pilots, slots
from worker.db.engine import make_engine
from worker.db.uow import UnitOfWork
from worker.domain.pilot import Check, Grant, Move, Status


class Ours:
    """The operations of `worker.db`."""

    name = "ours"

    def __init__(self, url: URL, counter: Counter) -> None:
        self.engine = make_engine(url, application="bench")
        self.uow = UnitOfWork(self.engine)
        event.listen(self.engine, "connect", lambda dbapi, _: counter.install(dbapi))

    def reserve(self, grants: Sequence[Grant]) -> int:
        with self.uow() as tx:
            return len(pilots.reserve(tx, grants, NOW))

    def claim(self, ce: str, limit: int) -> int:
        with self.uow() as tx:
            return len(pilots.claim(tx, ce, limit, NOW))

    def record(self, ids: Sequence[int]) -> int:
        receipts = [
            pilots.Receipt(pilot_id=i, handle=f"job-{i}", raw="PENDING", next_check_at=LATER)
            for i in ids
        ]
        with self.uow() as tx:
            return len(pilots.record(tx, receipts, NOW).moved)

    def move(self, ids: Sequence[int]) -> int:
        moves = [Move(pilot_id=i, to=Status.DONE, raw="COMPLETED", exit_code=0) for i in ids]
        with self.uow() as tx:
            return len(mover.move(tx, moves, NOW).moved)

    def checked(self, ids: Sequence[int]) -> int:
        checks = [Check(pilot_id=i, next_check_at=LATER) for i in ids]
        with self.uow() as tx:
            pilots.checked(tx, checks, NOW)
        return len(ids)

    def due(self, ce: str, limit: int) -> int:
        with self.uow() as tx:
            return len(pilot_reads.due(tx, ce, NOW, limit))

    def free(self) -> int:
        with self.uow() as tx:
            return len(slots.available_ces(tx))
