"""Each alert fires once, by what is wrong with a site on sim, and falls silent again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.factories import a_ce, a_vo
from tests.monitoring.prometheus import RULES, require_prometheus
from tests.monitoring.scenario import Scenario
from tests.services.world import World
from tests.session import PLAN
from worker.domain.ce import CE

FIRED: set[str] = set()


@pytest.fixture
def scenario(
    sqlite_world: World, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Scenario]:
    require_prometheus(request.config.stash[PLAN])
    made = Scenario(sqlite_world)
    yield made
    made.judge(tmp_path)


def a_place(scenario: Scenario, name: str = "bari", **options: object) -> CE:
    return scenario.world.ce(a_ce().named(name).with_capacity(8), **options)


def test_nothing_fires_at_a_healthy_site(scenario: Scenario) -> None:
    scenario.world.vo(a_vo().named("lhcb").demanding(4))
    a_place(scenario)
    scenario.go_on(150)
    for rule in yaml.safe_load(RULES.read_text())["groups"][0]["rules"]:
        scenario.expect(rule["alert"], fires=False)
