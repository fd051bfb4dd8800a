"""A drill: after the backup the pilots go on, then it is restored; no limit is ever exceeded."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backends.local_world import World
from tests.cli.command import Cli, forget
from tests.factories import NOW
from tests.patience import until
from worker import wiring
from worker.db import ces, pilot_reads, pilots
from worker.db.database import Database
from worker.domain.pilot import AT_CE, FINAL, Grant, Pilot, Status
from worker.domain.vo import DEFAULT_VO

pytestmark = pytest.mark.slow

CAPACITY = 4
TASKS = (
    ("submit_pilots", "--vo", DEFAULT_VO), ("dispatch", "--ce", "host"),
    ("check_pilots", "--ce", "host"), ("reconcile", "--ce", "host"), ("learn",), ("sweep",),
)  # fmt: skip


class Drill:
    """A CE whose pilots run on this host until they are ended."""

    def __init__(self, cli: Cli, database: Database) -> None:
        self.cli, self.database = cli, database
        self.most = 0

    def reserve(self) -> Pilot:
        with self.database.uow() as tx:
            [reservation] = pilots.reserve(tx, [Grant(vo=DEFAULT_VO, ce="host", count=1)], NOW)
            pilot = pilot_reads.get(tx, reservation.pilot_id)
        self.database.close()
        return pilot

    def send(self) -> Pilot:
        """Send a pilot and wait until it runs."""
        pilot = self.reserve()
        self.run("dispatch", "--ce", "host")
        until(lambda: self.run("check_pilots", "--ce", "host") and self.is_(pilot, Status.RUNNING))
        return pilot

    def run(self, *words: str) -> bool:
        self.cli.ok("task", "run", *words)
        return True

    def everything(self) -> None:
        """Run every task as workers and schedulers do, and count the jobs of the CE after each."""
        for words in TASKS:
            self.cli("task", "run", *words)
            self.most = max(self.most, len(self.alive()))

    def is_(self, pilot: Pilot, *statuses: Status) -> bool:
        with self.database.uow() as tx:
            record = pilot_reads.by_stamps(tx, [pilot.stamp]).get(pilot.stamp)
        self.database.close()
        return record is not None and record.status in statuses

    def alive(self) -> list[str]:
        """Return the stamps of the jobs that the CE has."""
        forget()
        runtime = wiring.runtime()
        with runtime.database.uow() as tx:
            ce = ces.get(tx, "host")
        jobs = [job for job in runtime.driver(ce).find().jobs if job.status in AT_CE]
        forget()
        return sorted(job.stamp for job in jobs)


@pytest.fixture
def drill(cli: Cli, fresh: Database, tmp_path: Path) -> Iterator[Drill]:
    if fresh.url.get_backend_name() == "postgresql" and not shutil.which("pg_dump"):
        pytest.skip("needs the programs pg_dump and pg_restore")
    options = ("command=exec sleep 1000", "check_soonest=0.01", "check_latest=0.02")
    more = [word for option in options for word in ("--option", option)]
    cli.ok("ce", "add", "host", "--backend", "local", "--capacity", str(CAPACITY), *more)
    yield Drill(cli, fresh)
    World(home=tmp_path / "home", uow=fresh.uow, ce="host").end()


def test_after_a_restore_nothing_is_forgotten_and_no_limit_is_exceeded(
    drill: Drill, tmp_path: Path
) -> None:
    cli = drill.cli
    cli.ok("ce", "set", "host", "--cancel-strangers")
    short, long = drill.send(), drill.send()
    late, unsent = drill.reserve(), drill.reserve()
    cli.ok("db", "backup", str(tmp_path / "backup"))

    cli.ok("pilot", "cancel", str(unsent.id), "--yes")
    drill.run("dispatch", "--ce", "host")
    cli.ok("pilot", "cancel", str(short.id), "--yes")
    until(lambda: drill.run("check_pilots", "--ce", "host") and drill.is_(short, *FINAL))
    newest = drill.send()
    stamps = sorted(pilot.stamp for pilot in (long, late, newest))
    until(lambda: drill.alive() == stamps)

    cli.ok("db", "restore", str(tmp_path / "backup"), "--yes", "--force")

    # Workers and schedulers may start immediately: they send nothing and end nothing.
    def is_settled() -> bool:
        drill.everything()
        return drill.is_(late, Status.RUNNING) and drill.is_(unsent, Status.LOST)

    until(lambda: is_settled() and drill.is_(short, *FINAL))
    assert drill.alive() == stamps
    assert not drill.is_(newest, *Status)
    assert newest.stamp in cli("ce", "diff", "host").out

    # Nothing counts the newest pilot yet, so neither `resume` nor a short pause resumes the CE.
    answer = cli("ce", "resume", "host")
    assert answer.code == 1
    assert "run 'pilotage task run reconcile --ce host --explain'" in answer.err
    assert cli("ce", "pause", "host", "--reason", "look", "--until", "1m").code == 1
    text = cli("task", "run", "reconcile", "--ce", "host", "--explain").out
    assert "the CE cannot be resumed yet after the restore: adopt its strangers first" in text
    assert cli("ce", "resume", "host").code == 1
    cli.ok("ce", "diff", "host", "--adopt", "--vo", DEFAULT_VO, "--yes")
    assert drill.is_(newest, Status.RUNNING)
    assert cli("ce", "resume", "host").code == 1

    cli.ok("task", "run", "reconcile", "--ce", "host")
    cli.ok("ce", "resume", "host")

    def is_full() -> bool:
        drill.everything()
        return len(drill.alive()) == CAPACITY

    until(is_full)
    for _ in range(3):
        drill.everything()

    assert set(stamps) < set(drill.alive())
    assert drill.most == CAPACITY
    assert cli("ce", "diff", "host").code == 0
