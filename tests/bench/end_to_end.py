"""From end to end: how many pilots a second live on a site with simulated CEs.

    python -m tests.bench.end_to_end [--ces 10] [--for 45]

A real Celery with four pool processes, a real Redis and a PostgreSQL whose commits wait for the
disk. After a warm-up it counts pilots that a CE accepted, and pilots that ended.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import text

from tests.acceptance.processes import Processes
from tests.acceptance.site import beat, worker
from tests.bench.server import server as durable
from tests.databases import backend_chains
from tests.factories import a_ce, a_vo
from tests.patience import until
from tests.redis_server import running
from worker.db.database import Database
from worker.services.operate import database as care

SLOTS = 30_000
WARM_UP = 15.0
EVERY = {"submit_pilots": 1, "dispatch": 1, "check_pilots": 1}
LIFE = {"queue_time": 0.5, "run_time": 2.0, "spread": "fixed", "success_rate": 1.0}
SOON = {"check_soonest": 1.0, "check_latest": 1.0}

COUNTS = text("""
SELECT count(*) FILTER (WHERE submitted_at IS NOT NULL) AS accepted,
  count(*) FILTER (WHERE ended_at IS NOT NULL) AS ended FROM pilots""")


def main(argv: Sequence[str] | None = None) -> int:
    """Start a site, let it work, print its rates."""
    options = _parser().parse_args(argv)
    with _site(options.ces) as (processes, database):
        until(lambda: _counts(database)[1], "the first end of a pilot", progress=processes.progress)
        time.sleep(WARM_UP)
        began, before = time.monotonic(), _counts(database)
        time.sleep(options.seconds)
        seconds, after = time.monotonic() - began, _counts(database)
    accepted_rate, end_rate = (
        (now - then) / seconds for now, then in zip(after, before, strict=True)
    )
    sys.stdout.write(
        f"{options.ces} CEs, {os.cpu_count()} cores: {accepted_rate:,.0f} pilots a second accepted,"
        f" {end_rate:,.0f} ended\n"
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.end_to_end",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--ces", type=int, default=10, metavar="N")
    parser.add_argument("--for", dest="seconds", type=float, default=45.0, metavar="SECONDS")
    return parser


@contextmanager
def _site(ces: int) -> Iterator[tuple[Processes, Database]]:
    with ExitStack() as stack:
        base = stack.enter_context(durable())
        database = Database(base.set(database="end_to_end"), backend_chains())
        care.setup(database)
        stack.callback(database.close)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis = stack.enter_context(running(folder))
        processes = Processes(folder)
        stack.callback(processes.end)
        _build(database, ces)
        environment = _environment(folder, database, redis.url)
        processes.start("worker", [*worker("one"), "-c", "4", "-l", "WARNING"], environment)
        processes.start("beat", beat(), environment)
        yield processes, database


def _build(database: Database, ces: int) -> None:
    with database.uow() as tx:
        a_vo().named("lhcb").create(tx)
        for number in range(ces):
            ce = a_ce().named(f"ce{number:03}").with_capacity(SLOTS // ces)
            ce.with_options(**LIFE, **SOON).create(tx)


def _environment(folder: Path, database: Database, broker: str) -> dict[str, str]:
    lines = ["beat_interval = 0.25", "budget = 100000", "batch = 3000"]
    for task, every in EVERY.items():
        lines += [f"[schedules.{task}]", f"every = {every}"]
    config = folder / "pilotage.toml"
    config.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {
        "PILOTAGE_DATABASE_URL": database.url.render_as_string(hide_password=False),
        "PILOTAGE_BROKER_URL": broker,
        "PILOTAGE_HOME": str(folder / "home"),
        "PILOTAGE_CONFIG": str(config),
    }


def _counts(database: Database) -> tuple[int, int]:
    with database.uow() as tx:
        row = tx.execute(COUNTS).one()
    return int(row.accepted), int(row.ended)


if __name__ == "__main__":
    sys.exit(main())
