"""The drill: a backup is restored while its pilots went on, and no limit is ever exceeded."""

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
    """A CE whose pilots run on this host until they are ended, and what it has of them."""

    def __init__(self, cli: Cli, database: Database) -> None:
        self.cli, self.database = cli, database
        self.most = 0

    def reserve(self) -> Pilot:
        with self.database.uow() as tx:
            [made] = pilots.reserve(tx, [Grant(vo=DEFAULT_VO, ce="host", count=1)], NOW)
            found = pilot_reads.get(tx, made.pilot_id)
        self.database.close()
        return found

    def send(self) -> Pilot:
        """Make a pilot, and see it run."""
        pilot = self.reserve()
        self.run("dispatch", "--ce", "host")
        until(lambda: self.run("check_pilots", "--ce", "host") and self.is_(pilot, Status.RUNNING))
        return pilot

    def run(self, *words: str) -> bool:
        self.cli.ok("task", "run", *words)
        return True

    def everything(self) -> None:
        """Run every task, as workers and schedulers do, and look at the CE after each."""
        for words in TASKS:
            self.cli("task", "run", *words)
            self.most = max(self.most, len(self.alive()))

    def is_(self, pilot: Pilot, *statuses: Status) -> bool:
        with self.database.uow() as tx:
            found = pilot_reads.by_stamps(tx, [pilot.stamp]).get(pilot.stamp)
        self.database.close()
        return found is not None and found.status in statuses

    def alive(self) -> list[str]:
        """Return the stamps of what runs at the CE."""
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
    ended, stays = drill.send(), drill.send()
    sent_later, never_sent = drill.reserve(), drill.reserve()
    cli.ok("db", "backup", str(tmp_path / "backup"))

    cli.ok("pilot", "cancel", str(never_sent.id), "--yes")
    drill.run("dispatch", "--ce", "host")
    cli.ok("pilot", "cancel", str(ended.id), "--yes")
    until(lambda: drill.run("check_pilots", "--ce", "host") and drill.is_(ended, *FINAL))
    forgotten = drill.send()
    there = sorted(pilot.stamp for pilot in (stays, sent_later, forgotten))
    until(lambda: drill.alive() == there)

    cli.ok("db", "restore", str(tmp_path / "backup"), "--yes", "--force")

    # Workers and schedulers may start at once: nothing is sent, nothing is ended.
    def is_settled() -> bool:
        drill.everything()
        return drill.is_(sent_later, Status.RUNNING) and drill.is_(never_sent, Status.LOST)

    until(lambda: is_settled() and drill.is_(ended, *FINAL))
    assert drill.alive() == there
    assert not drill.is_(forgotten, *Status)
    assert forgotten.stamp in cli("ce", "diff", "host").out

    # Nobody counts the forgotten one yet, so that the CE cannot be resumed, nor by a short pause.
    refused = cli("ce", "resume", "host")
    assert refused.code == 1
    assert "run 'pilotage task run reconcile --ce host --explain'" in refused.err
    assert cli("ce", "pause", "host", "--reason", "look", "--until", "1m").code == 1
    told = cli("task", "run", "reconcile", "--ce", "host", "--explain").out
    assert "not to be resumed yet after the restore: adopt its strangers first" in told
    assert cli("ce", "resume", "host").code == 1
    cli.ok("ce", "diff", "host", "--adopt", "--vo", DEFAULT_VO, "--yes")
    assert drill.is_(forgotten, Status.RUNNING)
    assert cli("ce", "resume", "host").code == 1

    cli.ok("task", "run", "reconcile", "--ce", "host")
    cli.ok("ce", "resume", "host")

    def is_full() -> bool:
        drill.everything()
        return len(drill.alive()) == CAPACITY

    until(is_full)
    for _ in range(3):
        drill.everything()

    assert set(there) < set(drill.alive())
    assert drill.most == CAPACITY
    assert cli("ce", "diff", "host").code == 0
