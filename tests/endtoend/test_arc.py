"""Two hundred pilots of mixed fates at a real ARC CE, through real workers.

At the end ARC's own client must agree.
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
from tests.testbeds.arc.client import Client, Report
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
"""The fate of a pilot, by its number."""

HUNGRY = 100
"""One of this number of pilots keeps a core busy until its time is up."""

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
    # The fork LRMS limits processor time by a signal, and does not report that.
    "limit": (Status.FAILED, Cause.SIGNAL),
}
REPORTS = {
    "ok": ("Finished", 0),
    "exit": ("Failed", 3),
    "signal": ("Failed", 137),
    "removed": ("Killed", None),
    "shot": ("Failed", None),
    "cancelled": ("Killed", None),
    "limit": ("Failed", 137),
}
"""The state and the exit code in the report of ARC's client."""


def fate(pilot: Pilot) -> str:
    number = group_and_number(pilot.stamp)[1]
    return "limit" if number % HUNGRY == 9 else FATES[number % len(FATES)]


class Factory:
    """The services with one CE, as a worker calls them."""

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
        options = site.ce_options(command=COMMAND, walltime=2, check_soonest=0.5, check_latest=1.0)
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
        """Send the pilots in two halves; the answer to the second half is lost."""
        self._reserve(MANY // 2)
        until(self._all_are_sent, pause=0.3)
        with self.site.mischief(Lost()):
            self._reserve(MANY // 2)
            until(self._all_are_sent, pause=0.3)

    def _reserve(self, count: int) -> None:
        with self.database.uow() as tx:
            grant = Grant(vo=DEFAULT_VO, ce=self.ce.name, count=count)
            pilots.reserve(tx, [grant], self.runtime.now())

    def _all_are_sent(self) -> bool:
        return all(pilot.handle for pilot in self.pilots())

    def until_all_are_over(self) -> None:
        met: set[str] = set()
        patience = Patience(lambda: Counter((fate(p), str(p.status), p.raw) for p in self.pilots()))
        while {pilot.status for pilot in self.pilots()} - FINAL:
            assert patience.lasts(), patience.state
            self._meet(met)
            self.site.wait(0.5)

    def _meet(self, met: set[str]) -> None:
        """Remove, shoot or cancel the pilots that run and have such a fate."""
        new = [p for p in self.pilots() if p.status is Status.RUNNING and p.stamp not in met]
        by_fate: dict[str, list[Pilot]] = {}
        for pilot in new:
            by_fate.setdefault(fate(pilot), []).append(pilot)
            met.add(pilot.stamp)
        client = self.client()
        if victims := by_fate.get("removed"):
            client.jobs()
            survivors = [pilot for pilot in victims if not client.kill(str(pilot.handle))]
            met.difference_update(pilot.stamp for pilot in survivors)  # the next round tries again
        for pilot in by_fate.get("shot", []):
            pid = local_pid(self.site.testbed.control, str(pilot.handle))
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
        if unwanted := by_fate.get("cancelled"):
            cancel(self.runtime, [pilot.stamp for pilot in unwanted], yes=True)

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
    assert crew.total("reconcile", "adopted") == MANY // 2

    reports = factory.client().jobs()
    all_pilots = factory.pilots()
    assert len(all_pilots) == MANY
    assert {pilot.handle for pilot in all_pilots} == set(reports)
    for pilot in all_pilots:
        assert (pilot.status, pilot.cause) == ENDS[fate(pilot)], pilot
        report: Report = reports[str(pilot.handle)]
        assert (report.state, report.exit_code) == REPORTS[fate(pilot)], (pilot, report)
        assert pilot.status is Status.CANCELLED or pilot.exit_code == report.exit_code
        assert pilot.node == socket.gethostname(), pilot
    jobs = jobs_by_stamp(arc_testbed.control)
    assert all([job.id for job in jobs[pilot.stamp]] == [pilot.handle] for pilot in all_pilots)
    # A worker may have ended during a call of the CE. Its lease then keeps the others away.
    counts = until(
        lambda: factory.run("reconcile").counts, "the end of the lease on the CE", pause=1
    )
    assert (counts["strangers"], counts["adopted"]) == (0, 0)
