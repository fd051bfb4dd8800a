"""Never lost, never twice, never too many: wherever a process is killed or stands still."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.crash.harness import (
    ALL,
    CALLING,
    FEW,
    SOME,
    Disturb,
    Explorer,
    Report,
    Thrift,
    kill,
    suspend,
)
from tests.crash.life import FAULTY, begin
from tests.crash.system import System
from tests.crash.trials import ABOUT_ANSWERS, BROKERS, FAULTS
from worker.services.tasks import catalogue

Tell = Callable[[Report], None]

SAMPLE = replace(FEW, share=0.07)
"""What a short run leaves out of each kind; the long run tries everything."""

STILL = ("nothing", "loses_half_and_the_reply")


def explore(
    system: System,
    fault: str,
    thrift: Thrift,
    disturb: Disturb = kill,
    *,
    again: bool = False,
    seed: int = 1,
) -> Report:
    """Live with a fault, and disturb every step."""
    begin(system, FAULTS[fault])
    explorer = Explorer(system, thrift, disturb, again=again, seed=seed)
    return explorer.explore(system.save(), FAULTY)


@pytest.fixture
def tell(record_property: Callable[[str, object], None], request: pytest.FixtureRequest) -> Tell:
    """Say in the summary of the session how much was tried; fail if there are problems."""

    def summarise(report: Report) -> None:
        record_property("summary", f"{request.node.name}: {report}")
        assert report.problems == []

    return summarise


def test_every_boundary_of_every_task_can_be_the_last(
    sqlite_system: System, patient: bool, tell: Tell
) -> None:
    report = explore(sqlite_system, "nothing", ALL if patient else SOME)
    tell(report)

    assert report.points > 500
    assert report.recoveries > 15
    tasks = {boundary.split(":")[0] for boundary in report.boundaries}
    assert tasks == {*catalogue.tasks(), "tick", "command"}
    for task in CALLING:
        for what in ("before the commit", "after the commit"):
            assert report.boundaries[f"{task}: {what}"] >= 2
    for call in ("dispatch: {} submit", "check_pilots: {} poll", "reconcile: {} find"):
        assert report.boundaries[call.format("before the call")]
        assert report.boundaries[call.format("after the CE did")]
    assert report.boundaries["submit_pilots: before sending dispatch"]
    assert report.boundaries["tick: after sending reconcile"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_kill_while_a_ce_is_at_fault_breaks_no_promise(
    sqlite_system: System, fault: str, patient: bool, tell: Tell
) -> None:
    if not patient and fault not in ABOUT_ANSWERS:
        pytest.skip("every fault is for PILOTAGE_TEST_LONG=1")
    report = explore(sqlite_system, fault, ALL if patient else SAMPLE)
    tell(report)
    assert report.points > (400 if patient else 1)


@pytest.mark.parametrize("broker", BROKERS)
def test_a_kill_while_messages_are_lost_or_doubled_breaks_no_promise(
    sqlite_system: System, broker: str, patient: bool, tell: Tell
) -> None:
    sqlite_system.broker = BROKERS[broker]
    report = explore(sqlite_system, "nothing", ALL if patient else SAMPLE)
    tell(report)
    assert report.points > (400 if patient else 1)


@pytest.mark.parametrize("fault", STILL)
def test_a_process_that_stands_still_longer_than_its_lease_breaks_no_promise(
    sqlite_system: System, fault: str, patient: bool, tell: Tell
) -> None:
    thrift = replace(FEW, alike=False, repeated=False) if patient else SAMPLE
    report = explore(sqlite_system, fault, thrift, suspend)
    tell(report)
    assert report.points > (200 if patient else 1)


def test_a_second_kill_while_the_first_is_recovered_from_breaks_no_promise(
    sqlite_system: System, patient: bool, tell: Tell
) -> None:
    blank, report = sqlite_system.save(), Report()
    for seed in range(20 if patient else 1):
        for fault in ("loses_half_and_the_reply", "answers_half"):
            sqlite_system.restore(blank)
            thrift = replace(FEW, alike=False, share=0.5 if patient else 0.03)
            report.add(explore(sqlite_system, fault, thrift, again=True, seed=seed))
    tell(report)
    assert report.recoveries > (300 if patient else 1)


@pytest.mark.parametrize("fault", FAULTS)
def test_on_a_real_server_a_kill_breaks_no_promise(
    postgresql_system: System, fault: str, patient: bool, tell: Tell
) -> None:
    if not patient and fault != "loses_half_and_the_reply":
        pytest.skip("every fault is for PILOTAGE_TEST_LONG=1")
    report = explore(postgresql_system, fault, SOME if patient else SAMPLE)
    tell(report)
    assert report.points > (200 if patient else 1)


def test_on_a_real_server_one_that_stands_still_holds_up_nobody_for_long(
    postgresql_system: System, patient: bool, tell: Tell
) -> None:
    """This holds within its transaction, too, where it keeps its locks while others try."""
    thrift = SOME if patient else replace(SAMPLE, statements=False, share=0.01)
    report = explore(postgresql_system, "nothing", thrift, suspend)
    tell(report)
    assert report.points > (200 if patient else 1)
