"""An upgrade while everybody works on, though the how-to says to stop them: it does no harm."""

from pathlib import Path

import pytest

from tests.chaos import fleet
from tests.chaos.conftest import Make
from tests.chaos.ending import begin, judged, settle
from tests.chaos.making import SCHEDULES, Shape
from tests.chaos.observer import Observer
from tests.chaos.upgrade import old_code, upgrade
from tests.session import PLAN

pytestmark = [pytest.mark.postgresql, pytest.mark.slow]


EVERY = {task: 2 * every for task, every in SCHEDULES.items()}
"""Twice the usual intervals: for a while one worker does the work of two."""


@pytest.fixture
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The code of the version before."""
    try:
        return old_code(tmp_path)
    except LookupError as problem:
        say = pytest.fail if request.config.stash[PLAN].required else pytest.skip
        say(str(problem))


def test_workers_of_the_version_before_and_ours_are_beside_each_other_in_a_migration(
    make: Make, tree: Path
) -> None:
    members = [
        fleet.worker("old", "plan,call", 4),
        fleet.worker("new", "plan,call", 4),
        fleet.beat("oldbeat"),
        fleet.beat("newbeat"),
    ]
    world = make(Shape(members=members, schedules=EVERY, tree=tree))
    begin(world)
    watching = Observer(world.postgresql.dsn)
    watching.start()

    outcome = upgrade(world)

    assert outcome.refusals >= 2
    settle(world)
    codes = world.fleet.stop()
    watching.stop()
    verdict = judged(world, watching.exceeded, codes)
    assert verdict.is_clean, verdict
