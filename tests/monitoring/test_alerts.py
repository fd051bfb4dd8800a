"""Each alert fires when a site on sim has its problem, and stops when the problem ends."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.factories import a_ce, a_vo
from tests.monitoring.prometheus import RULES, require_prometheus
from tests.monitoring.scenario import Scenario
from tests.secrets import a_token
from tests.services.world import World
from tests.session import PLAN
from worker.backends.sim.faults import Fault
from worker.db import payloads, vos
from worker.domain.ce import CE
from worker.domain.credential import CredentialKind
from worker.domain.pilot import WAITING
from worker.domain.values import NewCredential
from worker.domain.vo import DEFAULT_VO
from worker.services import credentials
from worker.services.operate import pauses, pilots
from worker.services.tasks import catalogue

pytestmark = pytest.mark.testbed


@pytest.fixture
def scenario(
    sqlite_world: World, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Scenario]:
    require_prometheus(request.config.stash[PLAN])
    scenario = Scenario(sqlite_world)
    yield scenario
    scenario.judge(tmp_path)


def a_place(scenario: Scenario, name: str = "bari", **options: object) -> CE:
    return scenario.world.ce(a_ce().named(name).with_capacity(8), **options)


def test_nothing_fires_at_a_healthy_site(scenario: Scenario) -> None:
    scenario.world.vo(a_vo().named("lhcb").demanding(4))
    a_place(scenario)
    scenario.go_on(150)
    for rule in yaml.safe_load(RULES.read_text())["groups"][0]["rules"]:
        scenario.expect(rule["alert"], fires=False)


def test_no_numbers(scenario: Scenario) -> None:
    scenario.go_on(10)
    scenario.is_read = False
    scenario.go_on(20)
    scenario.expect("PilotageNotRead", fires=True)
    scenario.is_read = True
    scenario.go_on(2)
    scenario.expect("PilotageNotRead", fires=False)


def test_no_scheduler(scenario: Scenario) -> None:
    scenario.go_on(5)
    scenario.has_scheduler = False
    scenario.go_on(10)
    scenario.expect("PilotageStandsStill", fires=True)
    scenario.has_scheduler = True
    scenario.go_on(2)
    scenario.expect("PilotageStandsStill", fires=False)


def test_no_worker(scenario: Scenario) -> None:
    a_place(scenario)
    scenario.go_on(5)
    scenario.queues = set()
    scenario.go_on(12)
    scenario.expect("PilotageNoWorker", fires=True)
    scenario.queues = {catalogue.PLAN, catalogue.CALL}
    scenario.go_on(5)
    scenario.expect("PilotageNoWorker", fires=False)


def test_a_ce_that_cannot_be_reached(scenario: Scenario) -> None:
    ce = a_place(scenario)
    scenario.go_on(5)
    scenario.world.fault(ce, Fault.DOWN)
    scenario.go_on(45)
    scenario.expect("PilotageCEDoesNotAnswer", fires=True)
    scenario.expect("PilotageTaskFails", fires=True)
    scenario.world.mend(ce)
    scenario.go_on(60)
    scenario.expect("PilotageCEDoesNotAnswer", fires=False)
    scenario.expect("PilotageTaskFails", fires=False)


@pytest.mark.long
def test_a_ce_that_is_held_for_a_day(scenario: Scenario) -> None:
    scenario.world.vo(a_vo().named("lhcb").demanding(4))
    ce = a_place(scenario)
    pauses.pause(scenario.world.runtime(), ce.name, "new disks")
    scenario.go_on(61)
    scenario.expect("PilotageNothingIsSent", fires=True)
    scenario.go_on(310)
    scenario.expect("PilotageCEGetsNoPilots", fires=True)
    pauses.resume(scenario.world.runtime(), ce.name)
    scenario.go_on(5)
    scenario.expect("PilotageNothingIsSent", fires=False)
    scenario.expect("PilotageCEGetsNoPilots", fires=False)


def test_workers_that_send_nothing(scenario: Scenario) -> None:
    a_place(scenario)
    scenario.queues = {catalogue.PLAN}
    scenario.go_on(40)
    scenario.expect("PilotagePilotsStayReserved", fires=True)
    scenario.queues = {catalogue.PLAN, catalogue.CALL}
    scenario.go_on(5)
    scenario.expect("PilotagePilotsStayReserved", fires=False)


def test_a_ce_that_took_pilots_and_is_away_since(scenario: Scenario) -> None:
    ce = a_place(scenario)
    scenario.world.fault(ce, Fault.LOSES_REPLY)
    scenario.go_on(1)
    scenario.world.fault(ce, Fault.DOWN)
    scenario.go_on(40)
    scenario.expect("PilotagePilotsStayInDoubt", fires=True)
    scenario.world.mend(ce)
    scenario.go_on(45)
    scenario.expect("PilotagePilotsStayInDoubt", fires=False)


def test_a_ce_where_nothing_starts(scenario: Scenario) -> None:
    ce = a_place(scenario, run_time=1200.0)
    scenario.world.fault(ce, Fault.HOLDS)
    scenario.go_on(135)
    scenario.expect("PilotagePilotsDoNotStart", fires=True)
    scenario.world.mend(ce)
    waiting = [str(one.id) for one in scenario.world.pilots() if one.status in WAITING]
    pilots.cancel(scenario.world.runtime(), waiting)
    scenario.go_on(15)
    scenario.expect("PilotagePilotsDoNotStart", fires=False)


def test_a_black_hole(scenario: Scenario) -> None:
    ce = a_place(scenario)
    scenario.go_on(5)
    scenario.world.fault(ce, Fault.FAILS_FAST)
    scenario.go_on(30)
    scenario.expect("PilotagePilotsFail", fires=True)
    scenario.world.mend(ce)
    scenario.go_on(90)
    scenario.expect("PilotagePilotsFail", fires=False)


def test_a_ce_that_forgets_its_jobs(scenario: Scenario) -> None:
    ce = a_place(scenario, run_time=7200.0)
    scenario.go_on(10)
    scenario.world.fault(ce, Fault.FORGETS)
    scenario.go_on(45)
    scenario.expect("PilotagePilotsAreLost", fires=True)
    scenario.world.mend(ce)
    scenario.go_on(90)
    scenario.expect("PilotagePilotsAreLost", fires=False)


def test_a_credential_that_grows_old(scenario: Scenario, tmp_path: Path) -> None:
    world = scenario.world
    now = int(world.clock.timestamp())
    path = a_token(tmp_path / "token", iat=now, exp=now + 6000)
    world.vo(a_vo().named("lhcb"))
    new: NewCredential = {
        "vo": "lhcb",
        "backend": "sim",
        "kind": CredentialKind.TOKEN,
        "path": str(path),
    }
    credentials.add(world.runtime(), new)
    scenario.go_on(90)
    scenario.expect("PilotageCredentialExpires", fires=True)
    scenario.expect("PilotageCredentialUnusable", fires=False)
    scenario.go_on(30)
    scenario.expect("PilotageCredentialExpires", fires=False)
    scenario.expect("PilotageCredentialUnusable", fires=True)
    now = int(world.clock.timestamp())
    path.unlink()
    a_token(path, iat=now, exp=now + 60000)
    scenario.go_on(15)
    scenario.expect("PilotageCredentialUnusable", fires=False)


def test_a_vo_without_work(scenario: Scenario) -> None:
    world = scenario.world
    world.vo(a_vo().named("lhcb").limited_to(6))
    world.change(lambda tx: vos.change(tx, DEFAULT_VO, demand=0))
    for name in ("bari", "lyon", "rome"):
        a_place(scenario, name, run_time=30.0, queue_time=10.0)
    world.change(lambda tx: payloads.put(tx, "lhcb", {"script": "true", "useful_after": 1800}))
    scenario.go_on(180)
    scenario.expect("PilotageVOWithoutWork", fires=True)
    world.change(lambda tx: payloads.put(tx, "lhcb", {"script": "true", "useful_after": 1}))
    scenario.go_on(90)
    scenario.expect("PilotageVOWithoutWork", fires=False)


def test_every_alert_is_fired_by_one_of_these() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    for rule in yaml.safe_load(RULES.read_text())["groups"][0]["rules"]:
        for fires in ("True", "False"):
            line = f'scenario.expect("{rule["alert"]}", fires={fires})'
            assert line in text, f"{rule['alert']} is not tried"
