"""The cost of our base, and the layout of pools and queues that keeps slow CEs apart. No test.

    python -m tests.acceptance.overhead [rate] [layouts]

`rate` compares executions of a task that does nothing: one of plain Celery and, in the same worker,
one of ours with its unit of work and its note. `layouts` measures how long allocation waits while
CEs hang.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from pathlib import Path

from sqlalchemy import text

from tests.acceptance.processes import CELERY, Processes
from tests.acceptance.site import EXECUTION, LIFE
from tests.databases import backend_chains
from tests.factories import a_ce
from tests.patience import LONGEST, until
from tests.redis_server import Redis, running
from tests.servers import Session, obtain
from worker.backends.sim.faults import Fault, switch_on
from worker.db.database import Database
from worker.db.engine import parse_url
from worker.services.operate import database as care

EXECUTIONS = 3000
ROUNDS = 5
SLOW, HEALTHY, HANGS = 10, 10, 8.0
SECONDS = 40.0
LAYOUTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "one worker, prefork -c2": (("-Q", "plan,call", "-c", "2"),),
    "one worker, prefork -c8": (("-Q", "plan,call", "-c", "8"),),
    "one worker, threads -c16": (("-Q", "plan,call", "-P", "threads", "-c", "16"),),
    "one worker, solo": (("-Q", "plan,call", "-P", "solo"),),
    "two: plan solo, call prefork -c2": (
        ("-Q", "plan", "-P", "solo"),
        ("-Q", "call", "-c", "2"),
    ),
    "two: plan prefork -c2, call prefork -c8": (
        ("-Q", "plan", "-c", "2"),
        ("-Q", "call", "-c", "8"),
    ),
    "two: plan prefork -c2, call threads -c16": (
        ("-Q", "plan", "-c", "2"),
        ("-Q", "call", "-P", "threads", "-c", "16"),
    ),
}
EVERY = {"submit_pilots": 1, "dispatch": 1, "check_pilots": 1, "reconcile": 5, "learn": 60}
NOOP = """
from worker.celery import app
from worker.domain.schedule import Scope
from worker.messaging import app as ours
from worker.services.runtime import TaskResult
from worker.services.tasks import catalogue, execute


def nothing(runtime):
    with runtime.database.uow():
        return TaskResult()


for name, run in (("noop", nothing), ("empty", lambda runtime: TaskResult())):
    task = catalogue.Task(name=name, about="Do nothing.", scope=Scope.GLOBAL, run=run, plan=run,
                          queue="plan", every=60)
    catalogue.tasks()[name] = task
    ours._register(task)
note = execute._note
execute._note = lambda runtime, execution: (
    None if execution.task == "empty" else note(runtime, execution))


@app.task(name="plain")
def plain():
    pass
"""


def main(names: Sequence[str]) -> None:
    """Measure, and print a table."""
    with site() as (processes, database, server):
        if not names or "rate" in names:
            rates(processes, database, server)
        if not names or "layouts" in names:
            layouts(processes, database, server)


@contextmanager
def site() -> Iterator[tuple[Processes, Database, Redis]]:
    """Start a server of each kind."""
    session = Session(dict(os.environ))
    with ExitStack() as stack:
        stack.callback(session.close)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = obtain(session.plan).url
        if url is None:
            raise SystemExit("it needs PostgreSQL")
        database = Database(parse_url(url), backend_chains())
        care.setup(database)
        stack.callback(database.engine.dispose)
        server = stack.enter_context(running(folder))
        processes = Processes(folder)
        stack.callback(processes.end)
        say(f"PostgreSQL and {server.how}, {os.cpu_count()} cores")
        yield processes, database, server


def environment_of(processes: Processes, database: Database, server: Redis) -> dict[str, str]:
    lines = ["beat_interval = 0.25"]
    for task, every in EVERY.items():
        lines += [f"[schedules.{task}]", f"every = {every}"]
    config = processes.folder / "pilotage.toml"
    config.write_text("\n".join(lines), encoding="utf-8")
    (processes.folder / "noop.py").write_text(NOOP, encoding="utf-8")
    return {
        "PILOTAGE_DATABASE_URL": database.url.render_as_string(hide_password=False),
        "PILOTAGE_BROKER_URL": server.url,
        "PILOTAGE_HOME": str(processes.folder / "home"),
        "PILOTAGE_CONFIG": str(config),
    }


def rates(processes: Processes, database: Database, server: Redis) -> None:
    """Measure each kind of task several times, with the same number of messages."""
    environment = environment_of(processes, database, server)
    environment["PYTHONPATH"] = f"{processes.folder}:{Path(__file__).parents[2]}"
    for pool in (("-c", "2"), ("-P", "solo")):
        by_name: dict[str, list[float]] = {"plain": [], "empty": [], "noop": []}
        for _ in range(ROUNDS):
            for name, values in by_name.items():
                values.append(drain_rate(processes, environment, server, name, pool))
        say(f"\nexecutions a second, pool {' '.join(pool)}, median of {ROUNDS} × {EXECUTIONS}")
        for name, about in (
            ("plain", "plain Celery"),
            ("empty", "our base, no database"),
            ("noop", "our base, a unit of work and its note: two commits"),
        ):
            rate = statistics.median(by_name[name])
            pairs = zip(by_name[name], by_name["plain"], strict=True)
            ratio = statistics.median(one / plain for one, plain in pairs)
            each = " ".join(f"{one:.0f}" for one in by_name[name])
            say(f"  {about:<52} {rate:7.0f}  {ratio:.2f}  ({each})")


def drain_rate(
    processes: Processes,
    environment: dict[str, str],
    server: Redis,
    name: str,
    pool: tuple[str, ...],
) -> float:
    """Fill the queue and start a worker; return the messages that it takes in a second."""
    fill = (
        "import noop\nfrom worker.celery import app\n"
        f"with app.producer_pool.acquire(block=True) as p:\n"
        f"    for _ in range({EXECUTIONS}): app.tasks['{name}'].apply_async(producer=p)"
    )
    result = processes.run([sys.executable, "-c", fill], environment)
    assert result.returncode == 0, result.stderr
    words = [*CELERY, "worker", "-l", "WARNING", "-Q", "plan", *pool, "-I", "noop"]
    # No child may be replaced: the worker would wait for it at its end.
    more = ["--without-gossip", "--without-mingle", f"--max-tasks-per-child={10 * EXECUTIONS}"]
    worker = processes.start("rate", [*words, *more], environment)
    with server.client() as client:

        def length() -> int:
            return int(client.llen("pilotage:plan") or 0)

        until(
            lambda: length() <= EXECUTIONS * 0.9,
            "the first executions",
            progress=length,
            pause=0.002,
        )
        first, began = length(), time.perf_counter()
        until(lambda: length() == 0, "the last executions", progress=length, pause=0.002)
        rate = first / (time.perf_counter() - began)
    stop(worker)
    return rate


def layouts(processes: Processes, database: Database, server: Redis) -> None:
    """Let half of the CEs hang, and measure how long tasks wait."""
    environment = environment_of(processes, database, server)
    say(f"\n{SLOW} CEs hang {HANGS:.0f} s a call, {HEALTHY} answer at once; {SECONDS:.0f} s each")
    say(f"  {'layout':<42} {'allocation':>22} {'healthy CE':>22} {'pilots':>8}")
    say(f"  {'':<42} {'gap median / worst':>22} {'gap median / worst':>22} {'sent':>8}")
    for name, workers in LAYOUTS.items():
        care.clean(database, yes=True, force=True)
        with server.client() as client:
            client.flushall()
        build(database)
        members = [
            processes.start(
                f"{name}-{n}",
                [*CELERY, "worker", "-l", "INFO", *words, "-n", f"w{n}@%h"],
                environment,
            )
            for n, words in enumerate(workers)
        ]
        members.append(processes.start(f"{name}-beat", [*CELERY, "beat"], environment))
        logs = [f"{name}-{n}" for n in range(len(workers))]
        for log in logs:
            until(partial(is_ready, processes, log), log, progress=partial(processes.said, log))
        begin = datetime.now(UTC)
        time.sleep(SECONDS)
        end = datetime.now(UTC)
        logs_text = "".join(processes.said(log) for log in logs)
        allocation = gaps(logs_text, begin, end, lambda task, _: task == "submit_pilots")
        healthy = gaps(
            logs_text, begin, end, lambda task, ce: task == "check_pilots" and ce == "fast0"
        )
        with database.uow() as tx:
            pilots = tx.execute(
                text("SELECT count(*) FROM sim_jobs WHERE ce LIKE 'fast%'")
            ).scalar()
        say(f"  {name:<42} {allocation:>22} {healthy:>22} {pilots:>8}")
        processes.end()


def is_ready(processes: Processes, log: str) -> bool:
    return "ready." in processes.said(log)


def build(database: Database) -> None:
    with database.uow() as tx:
        for n in range(HEALTHY):
            a_ce().named(f"fast{n}").with_capacity(10).with_options(**LIFE).create(tx)
        for n in range(SLOW):
            options = {**LIFE, "call_timeout": HANGS + 1}
            a_ce().named(f"slow{n}").with_capacity(10).with_options(**options).create(tx)
    for n in range(SLOW):
        switch_on(database.uow, f"slow{n}", Fault.SLOW, seconds=HANGS)


def gaps(text: str, begin: datetime, end: datetime, chooses: Callable[[str, str], bool]) -> str:
    """Return the median and the longest time between two executions of some tasks."""
    moments = [begin]
    for line in text.splitlines():
        match = EXECUTION.search(line)
        if match and chooses(match[1], match[2] or ""):
            at = datetime.strptime(line[:23], "%Y-%m-%d %H:%M:%S,%f").replace(tzinfo=UTC)
            if begin <= at <= end:
                moments.append(at)
    moments = [*sorted(moments), end]
    waits = [(b - a).total_seconds() for a, b in pairwise(moments)]
    return f"{statistics.median(waits):.1f} / {max(waits):.1f} s"


def stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    # Under load a child waits up to 30 s until its last results are read.
    process.wait(LONGEST)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
