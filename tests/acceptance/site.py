"""A site with many CEs and VOs and fast schedules, and the observation of it."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from sqlalchemy import text

from tests.acceptance.processes import CELERY, Processes, settings_of
from tests.factories import a_ce, a_vo
from worker.db import pilot_reads
from worker.db.database import Database
from worker.domain.pilot import Status
from worker.services.tasks import execute

SCHEDULES = {
    "submit_pilots": 2,
    "dispatch": 2,
    "check_pilots": 1,
    "reconcile": 4,
    "learn": 2,
    "report": 3,
    "prune": 5,
}
LIFE = {"queue_time": 2.0, "run_time": 4.0, "check_soonest": 1.0, "check_latest": 2.0}
CES = 20
VOS = {"small": 15, "middle": 40, "large": None}
WATCH_CLAIMS = """
CREATE TABLE claims (task text, at timestamptz, was timestamptz);
CREATE FUNCTION watch_claims() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN INSERT INTO claims VALUES (NEW.task, NEW.last_at, OLD.next_at); RETURN NULL; END$$;
CREATE TRIGGER watch_claims AFTER UPDATE ON schedules FOR EACH ROW
WHEN (OLD.last_at IS DISTINCT FROM NEW.last_at) EXECUTE FUNCTION watch_claims();
"""
FORGET_CLAIMS = """
DROP TRIGGER watch_claims ON schedules;
DROP FUNCTION watch_claims();
DROP TABLE claims;
"""
LOGGER = re.escape(execute.log.name) + r"\[[\w-]+\]: "
"""The beginning of a line about an execution in the log of a worker: its logger and its id."""
EXECUTION = re.compile(LOGGER + r"(\w+)(?: (\S+))?: ")
SKIP = re.compile(EXECUTION.pattern + "skipped")
TOO_LATE = re.compile(r"(\w+) (\S*) comes too late")


def build(database: Database) -> None:
    """Make 20 CEs and 3 VOs; some CEs have waiting limits, some are only for some VOs."""
    with database.uow() as tx:
        all_vos = [
            (a_vo() if limit is None else a_vo().limited_to(limit)).named(name).create(tx)
            for name, limit in VOS.items()
        ]
        for n in range(CES):
            ce = a_ce().named(f"ce{n:02}").with_capacity(3 + n % 8).with_options(**LIFE)
            ce = ce.with_success_rate(0.9)
            if n % 3 == 0:
                ce = ce.with_waiting_limit(2 + n % 4)
            if n % 5 == 0:
                ce = ce.only_for(*all_vos[:2])
            ce.create(tx)


def configuration(folder: Path, **others: int) -> Path:
    """Write a settings file with these schedules; return its path."""
    lines = ["beat_interval = 0.5"]
    for task, every in {**SCHEDULES, **others}.items():
        lines += [f"[schedules.{task}]", f"every = {every}"]
    path = folder / "pilotage.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def settings(processes: Processes, database: str, broker: str) -> dict[str, str]:
    """Return the settings of every process of a site."""
    values = {
        "database_url": database,
        "broker_url": broker,
        "home": str(processes.folder / "home"),
        "config": str(configuration(processes.folder)),
    }
    return settings_of(values)


def worker(name: str, *more: str) -> list[str]:
    return [
        *CELERY,
        "worker",
        "-l",
        "INFO",
        "-Q",
        "plan,call",
        "-c",
        "2",
        "-n",
        f"{name}@%h",
        *more,
    ]


def beat() -> list[str]:
    return [*CELERY, "beat", "-l", "INFO"]


@contextmanager
def watching_claims(database: Database) -> Iterator[None]:
    """Let PostgreSQL record every tick that is claimed."""
    execute_script(database, WATCH_CLAIMS)
    try:
        yield
    finally:
        execute_script(database, FORGET_CLAIMS)


def execute_script(database: Database, script: str) -> None:
    with database.engine.begin() as connection:
        connection.exec_driver_sql(script)


def claims(database: Database) -> dict[str, list[datetime]]:
    """Return the moments of the ticks that were claimed, by task and in order."""
    moments = defaultdict(list)
    with database.uow() as tx:
        for row in tx.execute(text("SELECT task, at, was FROM claims ORDER BY at")):
            moments[row.task].append(row.was or row.at)
    return moments


def executions(
    processes: Processes, *names: str, pattern: re.Pattern[str] = EXECUTION
) -> Counter[tuple[str, str]]:
    """Return the number of executions in the logs of workers, by task and subject."""
    return Counter(match for name in names for match in pattern.findall(processes.said(name)))


def statuses(database: Database) -> dict[Status, int]:
    with database.uow() as tx:
        return pilot_reads.count_by_status(tx)


def count_transitions(database: Database) -> int:
    """Return the number of transitions of all pilots."""
    with database.uow() as tx:
        return int(tx.execute(text("SELECT count(*) FROM transitions")).scalar_one())


def twice_or_never(database: Database) -> list[str]:
    """Return the stamps that were sent more than once, and those without a pilot."""
    twice = "SELECT stamp FROM sim_jobs GROUP BY stamp HAVING count(*) > 1"
    never = "SELECT stamp FROM sim_jobs WHERE stamp NOT IN (SELECT stamp FROM pilots)"
    with database.uow() as tx:
        return list(tx.execute(text(f"{twice} UNION ALL {never}")).scalars())
