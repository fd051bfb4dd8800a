"""A compressed month: `python -m tests.bench.month [--days 30] [--pilots 20000] [--keep 3]`.

Each day pilots live from their reservation to their end. The tasks themselves fold and learn what
moved, and prune what is old. While they prune, short cycles go on beside them: 20 pilots are
reserved, sent, started and ended.
"""

import argparse
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from unittest.mock import patch

from sqlalchemy import URL, text

from tests.bench import server as bench_server
from tests.bench.sides import NOW
from tests.factories import a_ce
from worker.db import mover, pilots, server
from worker.db.chains import CORE_CHAIN, migrate
from worker.db.database import Database
from worker.domain.pilot import Grant, Move, Status
from worker.services.runtime import Runtime
from worker.services.tasks import learn, prune, tally

NAMES = [f"ce-{n}" for n in range(1, 11)]
HOURS = 24
CYCLE = 20
AUTOVACUUM = {
    "autovacuum": "on",
    # The default is each minute; here a day passes in some seconds.
    "autovacuum_naptime": "1s",
}
SIZES = """
SELECT relname, pg_total_relation_size(oid) AS size FROM pg_class
 WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"""


@dataclass
class Site:
    """A database whose clock the benchmark sets."""

    database: Database
    keep: timedelta
    clock: datetime = NOW

    @property
    def runtime(self) -> Runtime:
        return Runtime(
            database=self.database,
            backends={},
            home=Path(),
            now=lambda: self.clock,
            holder="bench",
            by_hand=True,
            keep_final=self.keep,
        )

    def live(self, number: int, place: Sequence[str]) -> None:
        """Let pilots live from their reservation to their end."""
        grants = [Grant(vo="default", ce=ce, count=number // len(place)) for ce in place]
        with self.database.uow() as tx:
            pilots.reserve(tx, grants, self.clock)
        ids: list[int] = []
        for grant in grants:
            with self.database.uow() as tx:
                batch = pilots.claim(tx, grant.ce, grant.count, self.clock)
            receipts = [
                pilots.receipt_move(one.pilot_id, handle=f"{one.pilot_id}.0", raw="PENDING")
                for one in batch
            ]
            with self.database.uow() as tx:
                pilots.record(tx, receipts, self.clock)
            ids += [one.pilot_id for one in batch]
        for to, raw in ((Status.RUNNING, "RUNNING"), (Status.DONE, "COMPLETED")):
            moves = [Move(pilot_id=i, to=to, raw=raw, node=f"node{i % 100}") for i in ids]
            with self.database.uow() as tx:
                mover.move(tx, moves, self.clock)

    def day(self, number: int) -> None:
        """Live through a day."""
        for _ in range(HOURS):
            self.live(number // HOURS, NAMES[1:])
            self.clock += timedelta(hours=24 / HOURS)
            while tally.tally(self.runtime).counts["folded"]:
                pass
            while learn.learn(self.runtime).counts["outcomes"]:
                pass

    def prune(self) -> int:
        """Prune until nothing old is left; return how many pilots were deleted."""
        total = 0
        while True:
            result = prune.prune(self.runtime)
            total += result.counts.get("pilots", 0)
            if not result.left:
                return total

    @contextmanager
    def in_cycles(self) -> Iterator[list[float]]:
        """Run one short cycle after the other; collect the time of each, in ms."""
        stop = threading.Event()
        times: list[float] = []

        def go_on() -> None:
            while not stop.is_set():
                begin = time.perf_counter()
                self.live(CYCLE, NAMES[:1])
                times.append((time.perf_counter() - begin) * 1000)

        thread = threading.Thread(target=go_on)
        thread.start()
        try:
            yield times
        finally:
            stop.set()
            thread.join()

    def sizes(self) -> dict[str, float]:
        """Return the size of each table with its indexes, in MB."""
        with self.database.uow() as tx:
            return {row.relname: row.size / 1e6 for row in tx.execute(text(SIZES))}


def main(argv: Sequence[str] | None = None) -> int:
    """Play the days and print a line for each."""
    options = _parser().parse_args(argv)
    with (
        patch.dict(bench_server.DURABLE, AUTOVACUUM),
        bench_server.server() as base,
        _site(base, timedelta(days=options.keep)) as site,
    ):
        _say(f"{options.pilots:,} pilots a day, kept for {options.keep} days; MB with indexes, ms")
        _say(
            f"{'day':>4} {'pilots':>8} {'history':>8} {'tallies':>8} {'total':>8}"
            f" {'pruned':>8} {'seconds':>8} {'cycle':>8} {'beside':>8} {'longest':>8}"
        )
        for day in range(1, options.days + 1):
            site.day(options.pilots)
            with site.in_cycles() as alone:
                time.sleep(1)
            begin = time.perf_counter()
            with site.in_cycles() as beside:
                pilots = site.prune()
                seconds = time.perf_counter() - begin
            sizes = site.sizes()
            tallies = sum(sizes[name] for name in ("tallies", "new_tallies", "pilot_counts"))
            _say(
                f"{day:4} {sizes['pilots']:8.1f} {sizes['transitions']:8.1f} {tallies:8.1f}"
                f" {sum(sizes.values()):8.1f} {pilots:8,} {seconds:8.1f} {median(alone):8.1f}"
                f" {median(beside):8.1f} {max(beside):8.1f}"
            )
    return 0


@contextmanager
def _site(base: URL, keep: timedelta) -> Iterator[Site]:
    url = base.set(database=f"bench_month_{base.database}")
    server.drop(url, force=True)
    server.create(url)
    database = Database(url)
    migrate(database.engine, CORE_CHAIN)
    with database.uow() as tx:
        for name in NAMES:
            a_ce().named(name).with_capacity(1_000_000).create(tx)
    try:
        yield Site(database, keep)
    finally:
        database.close()
        server.drop(url, force=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.month", description=__doc__)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--pilots", type=int, default=20_000, help="a day")
    parser.add_argument("--keep", type=int, default=3, help="days")
    return parser


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
