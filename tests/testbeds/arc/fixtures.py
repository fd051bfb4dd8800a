"""The testbed of a test session: one for each worker, because a test may stop its A-REX.

A-REX looks at its jobs every second, with programs that take most of a core. So it stands still
while no test needs it.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.servers import LONG_VARIABLE
from tests.session import PLAN, worker_name
from tests.testbeds.arc.keeping import kept
from tests.testbeds.arc.service import Testbed


@pytest.fixture
def arc_testbed(request: pytest.FixtureRequest) -> Iterator[Testbed]:
    """A real ARC CE 6; the first test that needs it starts it, and it ends with the session."""
    yield from _awake(request.config, "6")


@pytest.fixture
def arc7_testbed(request: pytest.FixtureRequest) -> Iterator[Testbed]:
    """A real ARC CE 7, for the long form of the tests."""
    if not request.config.stash[PLAN].long:
        pytest.skip(f"{LONG_VARIABLE} is not 1: ARC 7 is tried in the long form only")
    yield from _awake(request.config, "7")


def _awake(config: pytest.Config, version: str) -> Iterator[Testbed]:
    testbed = _testbed(config, version)
    testbed.go_on()
    yield testbed
    with suppress(LookupError):  # it holds a lock and goes on, which costs only time
        testbed.stand_still()


def _testbed(config: pytest.Config, version: str) -> Testbed:
    plan = config.stash[PLAN]
    folder = Path(f"{plan.folder}-arc{version}{worker_name(config)}")
    try:
        return kept(folder, Path(plan.folder) / "alive", version, may_install=plan.may_install)
    except LookupError as problem:
        say = pytest.fail if plan.required else pytest.skip
        say(f"needs the service ARC {version}: {problem}")
