"""Two hundred pilots of mixed fates at a real ARC CE, through real workers.

ARC's own client is asked at the end who was right.
"""

import os
import signal
import socket
from collections import Counter
from datetime import UTC, datetime

import pytest

from tests.backends.arc_site import ArcSite, Lost
from tests.endtoend.crew import Crew
from tests.patience import Patience, until
from tests.testbeds.arc.client import Client, Said
from tests.testbeds.arc.jobs import jobs_by_stamp, local_pid
from tests.testbeds.arc.service import Testbed
from worker.backends import registry
from worker.db import ces, pilot_reads, pilots
from worker.db.database import Database
from worker.db.pages import PageRequest
from worker.domain.ce import CE
from worker.domain.credential import CredentialKind
from worker.domain.pilot import FINAL, Cause, Grant, Pilot, Status, group_and_number
from worker.domain.vo import DEFAULT_VO
from worker.services import credentials
from worker.services.operate.pilots import cancel
from worker.services.runtime import Runtime, TaskResult
from worker.services.tasks import catalogue
from worker.services.tasks.execute import execute

MANY = 200
"""A-REX moves few jobs a second."""

FATES = ("ok", "ok", "exit", "ok", "signal", "ok", "removed", "shot", "cancelled", "exit")
"""What becomes of a pilot, by its number."""

HUNGRY = 100
"""One pilot of so many works until its time is up, and keeps a core busy for so long."""

COMMAND = f"""
number=$((0x${{PILOTAGE_STAMP#????????????????????????}}))
while [ $((number % {HUNGRY})) = 9 ]; do :; done
case $((number % {len(FATES)})) in
  2|9) exit 3 ;;
  4) kill -9 $$ ;;
  6|7|8) echo ready; exec sleep 1000 ;;
  *) echo "pilot $number is done" ;;
esac
"""
ENDS = {
    "ok": (Status.DONE, None),
    "exit": (Status.FAILED, Cause.EXIT_CODE),
    "signal": (Status.FAILED, Cause.SIGNAL),
    "removed": (Status.FAILED, Cause.REMOVED),
    "shot": (Status.FAILED, Cause.SIGNAL),
    "cancelled": (Status.CANCELLED, None),
    # The fork LRMS limits the time of the processor, by a signal, and does not say that it did.
    "limit": (Status.FAILED, Cause.SIGNAL),
}
SAID = {
    "ok": ("Finished", 0),
    "exit": ("Failed", 3),
    "signal": ("Failed", 137),
    "removed": ("Killed", None),
    "shot": ("Failed", None),
    "cancelled": ("Killed", None),
    "limit": ("Failed", 137),
}
"""What the client of ARC says of each."""


def fate(pilot: Pilot) -> str:
    number = group_and_number(pilot.stamp)[1]
    return "limit" if number % HUNGRY == 9 else FATES[number % len(FATES)]


class Factory:
    """The services, as a worker calls them, with one CE."""

    def __init__(self, site: ArcSite, database: Database) -> None:
        self.site = site
        self.database = database
        self.runtime = Runtime(
            database=database,
            backends=registry.discover(),
            home=site.folder,
            now=lambda: datetime.now(UTC),
            holder="one",
            by_hand=True,
        )
        options = site.told(command=COMMAND, walltime=2, check_soonest=0.5, check_latest=1.0)
        self.ce = CE(name="arc/one", backend="arc", capacity=MANY, options=options)
        with database.uow() as tx:
            ces.add(tx, self.ce)
        credentials.add(
            self.runtime,
            {"backend": "arc", "kind": CredentialKind.PROXY, "path": str(site.proxy)},
        )

    def run(self, task: str) -> TaskResult:
        return execute(catalogue.get(task), self.ce.name, self.runtime)

    def pilots(self) -> list[Pilot]:
        with self.database.uow() as tx:
            return pilot_reads.find(tx, asked=PageRequest(limit=1000)).items

    def send(self) -> None:
        """Send them in two halves; no answer to the second comes."""
        self._reserve(MANY // 2)
        until(self._all_are_taken, pause=0.3)
        with self.site.mischief(Lost()):
            self._reserve(MANY // 2)
            until(self._all_are_taken, pause=0.3)

    def _reserve(self, count: int) -> None:
        with self.database.uow() as tx:
            grant = Grant(vo=DEFAULT_VO, ce=self.ce.name, count=count)
            pilots.reserve(tx, [grant], self.runtime.now())

    def _all_are_taken(self) -> bool:
        return all(pilot.handle for pilot in self.pilots())

    def until_all_are_over(self) -> None:
        met: set[str] = set()
        patience = Patience(lambda: Counter((fate(p), str(p.status), p.raw) for p in self.pilots()))
        while {pilot.status for pilot in self.pilots()} - FINAL:
            assert patience.lasts(), patience.state
            self._meet(met)
            self.site.wait(0.5)

    def _meet(self, met: set[str]) -> None:
        """Do to those pilots that run what they do not do themselves."""
        running = [p for p in self.pilots() if p.status is Status.RUNNING and p.stamp not in met]
        by_fate: dict[str, list[Pilot]] = {}
        for pilot in running:
            by_fate.setdefault(fate(pilot), []).append(pilot)
            met.add(pilot.stamp)
        client = self.client()
        if removed := by_fate.get("removed"):
            client.jobs()
            refused = [pilot for pilot in removed if not client.kill(str(pilot.handle))]
            met.difference_update(pilot.stamp for pilot in refused)  # the next look tries again
        for pilot in by_fate.get("shot", []):
            pid = local_pid(self.site.testbed.control, str(pilot.handle))
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
        if cancelled := by_fate.get("cancelled"):
            cancel(self.runtime, [pilot.stamp for pilot in cancelled], yes=True)

    def client(self) -> Client:
        return Client(testbed=self.site.testbed, proxy=self.site.proxy, folder=self.site.folder)


@pytest.fixture
def factory(arc_site: ArcSite, postgresql_database: Database) -> Factory:
    return Factory(arc_site, postgresql_database)


@pytest.mark.long
@pytest.mark.slow
def test_the_client_of_arc_agrees_pilot_by_pilot(
    arc_testbed: Testbed, factory: Factory, crew: Crew
) -> None:
    crew.start(factory.database, factory.runtime.home)
    factory.send()
    factory.until_all_are_over()
    crew.stop()
    assert crew.counted("reconcile", "adopted") == MANY // 2

    told = factory.client().jobs()
    made = factory.pilots()
    assert len(made) == MANY
    assert {pilot.handle for pilot in made} == set(told)
    for pilot in made:
        assert (pilot.status, pilot.cause) == ENDS[fate(pilot)], pilot
        said: Said = told[str(pilot.handle)]
        assert (said.state, said.exit_code) == SAID[fate(pilot)], (pilot, said)
        assert pilot.status is Status.CANCELLED or pilot.exit_code == said.exit_code
        assert pilot.node == socket.gethostname(), pilot
    there = jobs_by_stamp(arc_testbed.control)
    assert all([job.id for job in there[pilot.stamp]] == [pilot.handle] for pilot in made)
    # A worker may have been ended while it called the CE: nobody else may, until its lease is over.
    counts = until(lambda: factory.run("reconcile").counts, "the CE to be free", pause=1)
    assert (counts["strangers"], counts["adopted"]) == (0, 0)
