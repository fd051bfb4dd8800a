"""A site with three problems, which the dashboard shows."""

from tests.factories import a_ce, a_vo
from tests.monitoring.scenario import Scenario
from worker.backends.sim.faults import Fault
from worker.db import vos
from worker.domain.vo import DEFAULT_VO
from worker.services.operate import pauses

HEALTHY = ("bari", "oslo")
FAILS, SILENT, HELD = "lyon", "rome", "turin"


def prepare(scenario: Scenario) -> None:
    """Let two good hours pass, then four in which one CE fails, one is silent, one is paused."""
    world = scenario.world
    world.change(lambda tx: vos.change(tx, DEFAULT_VO, demand=0))
    world.vo(a_vo().named("lhcb").demanding(6))
    world.vo(a_vo().named("atlas").demanding(4).limited_to(40))
    ces = {
        name: world.ce(a_ce().named(name).with_capacity(16), run_time=1500.0 + 120 * number)
        for number, name in enumerate((*HEALTHY, FAILS, SILENT, HELD))
    }
    scenario.go_on(120)
    world.fault(ces[FAILS], Fault.FAILS_FAST)
    scenario.go_on(30)
    world.fault(ces[SILENT], Fault.DOWN)
    pauses.pause(world.runtime(), HELD, "new disks")
    scenario.go_on(210)
