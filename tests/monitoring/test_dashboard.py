"""The dashboard with values from a real Prometheus shows what is wrong with a site."""

from pathlib import Path

import pytest

from tests.monitoring import wrong_site
from tests.monitoring.picture import THEMES, page, panels_of, span_of
from tests.monitoring.prometheus import require_prometheus
from tests.monitoring.scenario import Scenario
from tests.monitoring.wrong_site import FAILS, HEALTHY, HELD, SILENT
from tests.services.world import World
from tests.session import PLAN

pytestmark = pytest.mark.testbed


def test_the_dashboard_names_what_is_wrong(
    sqlite_world: World, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    require_prometheus(request.config.stash[PLAN])
    scenario = Scenario(sqlite_world)
    wrong_site.prepare(scenario)
    panels = panels_of(scenario, tmp_path)
    by_title = {one.title: one for one in panels}

    at_a_glance = by_title["CEs that get pilots"].last
    assert at_a_glance == {"get pilots": len(HEALTHY), "all": len(HEALTHY) + 3}
    failed = by_title["Failed and lost by CE, per hour"].lines
    assert set(failed) == {FAILS}
    occupied = by_title["Occupied part of each CE"].last
    assert occupied[HELD] == 0
    assert all(occupied[ce] > 0.5 for ce in HEALTHY)
    reasons = by_title["CEs that get no pilots"].last
    assert {legend.partition(": ")[0] for legend in reasons} == {FAILS, SILENT, HELD}
    assert {f"{SILENT}: not answering", f"{HELD}: held"} <= set(reasons)
    assert "check_pilots" in by_title["Tasks that fail"].last
    assert set(by_title["CEs that do not answer"].last) == {SILENT}
    assert by_title["Calls that fail, per hour"].lines
    assert by_title["Why pilots fail, per hour"].lines
    for theme in THEMES:
        assert page(panels, span_of(scenario), theme).count("<section") == len(panels)
