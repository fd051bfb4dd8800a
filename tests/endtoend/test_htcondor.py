"""200 pilots of every fate, through real workers.

HTCondor's own history and the database agree about each pilot.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.endtoend.crew import Crew
from tests.factories import a_ce
from tests.patience import until
from tests.testbeds.condor import Condor
from tests.testbeds.condor.configuration import SCHEDD
from worker.backends import registry
from worker.db import pilots
from worker.db.database import Database
from worker.db.pages import PageRequest
from worker.db.pilot_reads import find
from worker.domain.pilot import FINAL, Cause, Grant, Pilot, Status, group_and_number
from worker.domain.vo import DEFAULT_VO
from worker.services.operate.pilots import cancel
from worker.services.runtime import Runtime

MIXED, LIMITED, HUNGRY = CES = ("pool/mixed", "pool/limited", "pool/hungry")
FATES = ("ok", "ok", "exit", "signal", "removed", "held", "cancelled", "ok")
"""The fate of a pilot of the first CE, by its number."""

NUMBER = "number=$((0x${PILOTAGE_STAMP#????????????????????????}))"
MIXED_COMMAND = f"""
{NUMBER}
case $((number % {len(FATES)})) in
  2) exit 3 ;;
  3) kill -9 $$ ;;
  4|5|6) exec sleep 1000 ;;
  *) echo "pilot $number is done" ;;
esac
"""
LIMITED_COMMAND = "exec sleep 1000"
"""Only the time limit ends such a pilot."""

HUNGRY_COMMAND = """exec python3 -c 'x = b"a" * 150_000_000; import time; time.sleep(1000)'"""
"""Only the memory limit ends such a pilot, when the pool looks at it."""

ENDS = {
    "ok": (Status.DONE, None, 0),
    "exit": (Status.FAILED, Cause.EXIT_CODE, 3),
    "signal": (Status.FAILED, Cause.SIGNAL, 137),
    "removed": (Status.FAILED, Cause.REMOVED, None),
    "held": (Status.FAILED, Cause.HELD, None),
    "cancelled": (Status.CANCELLED, None, None),
    "walltime": (Status.FAILED, Cause.WALLTIME, None),
    "memory": (Status.FAILED, Cause.OUT_OF_MEMORY, None),
}
FATES_THAT_RUN = frozenset({"ok", "exit", "signal", "walltime", "memory"})
"""The fates of pilots that ran; the others may have ended before they started."""


def fate(pilot: Pilot) -> str:
    """Return the fate of a pilot."""
    number = group_and_number(pilot.stamp)[1]
    if pilot.ce == MIXED:
        return FATES[number % len(FATES)]
    return "memory" if pilot.ce == HUNGRY else "walltime"


def fate_by_history(ad: dict[str, Any]) -> str:
    """Return the fate of a job as HTCondor recorded it."""
    if ad["JobStatus"] == 4:
        return "signal" if ad["ExitBySignal"] else {0: "ok", 3: "exit"}[ad["ExitCode"]]
    holds = {1: "held", 21: "memory"}
    if "given up on hold" in ad["RemoveReason"]:
        return holds[ad["LastHoldReasonCode"]]
    reasons = {"pilotage: cancelled": "cancelled", "pilotage: its time": "walltime"}
    return next((it for word, it in reasons.items() if word in ad["RemoveReason"]), "removed")


def assert_is_its_end(ad: dict[str, Any], ended_at: datetime | None) -> None:
    """Check a moment against the end in the history.

    The schedd writes the two moments of an end one after the other, so a question between them gets
    only the first, and the second one may fall into the next second.
    """
    ends = {ad.get("CompletionDate") or ad["EnteredCurrentStatus"], ad["EnteredCurrentStatus"]}
    assert ended_at is not None
    assert min(ends) - 1 <= ended_at.timestamp() <= max(ends)


@dataclass
class Factory:
    """The services, as a worker calls them."""

    runtime: Runtime
    condor: Condor

    def pilots(self) -> list[Pilot]:
        with self.runtime.database.uow() as tx:
            return find(tx, asked=PageRequest(limit=1000)).items

    def send(self, **counts: int) -> None:
        """Reserve pilots, and wait until the CEs have accepted them."""
        with self.runtime.database.uow() as tx:
            grants = [Grant(vo=DEFAULT_VO, ce=ce, count=n) for ce, n in counts.items()]
            pilots.reserve(tx, grants, self.runtime.now())
        until(lambda: all(pilot.handle for pilot in self.pilots()), pause=0.3)

    def operator(self, tool: str, target: str, *words: str) -> None:
        """Call a program of HTCondor for all pilots of one fate."""
        stamps = [f'PilotageStamp == "{p.stamp}"' for p in self.pilots() if fate(p) == target]
        constraint = " || ".join(stamps)
        self.condor.call(tool, "-name", SCHEDD, *words, "-constraint", constraint)

    def until_all_are_over(self) -> None:
        until(
            lambda: {pilot.status for pilot in self.pilots()} <= FINAL,
            "the end of all pilots",
            progress=lambda: Counter((p.status, fate(p)) for p in self.pilots()),
            pause=0.5,
        )


@pytest.fixture
def factory(condor: Condor, postgresql_database: Database, tmp_path: Path) -> Iterator[Factory]:
    runtime = Runtime(
        database=postgresql_database,
        backends=registry.discover(),
        home=tmp_path,
        now=lambda: datetime.now(UTC),
        holder="test",
        by_hand=True,
    )
    options: dict[str, Any] = {
        "schedd": SCHEDD,
        "config": str(condor.client),
        "programs": str(condor.programs),
        "output_folder": str(condor.kept.folder / "output"),
        "memory": 64,
        "disk": 10,
        "check_soonest": 0.1,
        "check_latest": 0.5,
        "held_patience": 1,
    }
    with postgresql_database.uow() as tx:
        for name, more in (
            (MIXED, {"command": MIXED_COMMAND}),
            (LIMITED, {"command": LIMITED_COMMAND, "walltime": 4}),
            (HUNGRY, {"command": HUNGRY_COMMAND}),
        ):
            ce = a_ce().named(name).on_backend("htcondor").with_capacity(200)
            ce.with_options(**options, **more).create(tx)
    yield Factory(runtime, condor)
    for name in CES:
        jobs = f'PilotageInstance == "pilotage/{name}"'
        if condor.queue(jobs):
            condor.call("rm", "-name", SCHEDD, "-constraint", jobs)


@pytest.mark.slow
def test_the_history_of_the_schedd_agrees_pilot_by_pilot(factory: Factory, crew: Crew) -> None:
    crew.start(factory.runtime.database, factory.runtime.home)
    factory.send(**{MIXED: 160, LIMITED: 36, HUNGRY: 4})
    factory.operator("rm", "removed")
    factory.operator("hold", "held", "-reason", "not today")
    ours = [str(pilot.id) for pilot in factory.pilots() if fate(pilot) == "cancelled"]
    cancel(factory.runtime, ours, yes=True)
    factory.until_all_are_over()

    history = {
        ad["PilotageStamp"]: ad
        for ad in factory.condor.recorded(
            " || ".join(f'PilotageInstance == "pilotage/{name}"' for name in CES)
        )
    }
    assert len(factory.pilots()) == len(history) == 200
    assert not factory.condor.jobs("pilotage")
    for pilot in factory.pilots():
        ad = history[pilot.stamp]
        assert fate_by_history(ad) == fate(pilot)
        assert (pilot.status, pilot.cause, pilot.exit_code) == ENDS[fate(pilot)]
        assert pilot.handle == f"{ad['ClusterId']}.{ad['ProcId']}"
        assert ad["Owner"] == "griduser"
        slot = ad.get("LastRemoteHost", "")
        if pilot.node or fate(pilot) in FATES_THAT_RUN:
            assert pilot.node == slot.rpartition("@")[2] != "", (pilot, slot)
        assert_is_its_end(ad, pilot.ended_at)
        if fate(pilot) == "held":
            assert "not today" in str(pilot.reason)
