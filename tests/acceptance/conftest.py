"""Processes and servers for a test of the running system."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.processes import Processes
from tests.redis_server import Redis, running
from tests.session import PLAN


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Start processes; whatever is left of them at the end is ended, and is a failure."""
    made = Processes(tmp_path)
    yield made
    left = made.left()
    made.end()
    assert left == {}, "these were left behind"


@pytest.fixture
def redis_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Redis]:
    """Run a Redis server of this test's own."""
    plan = request.config.stash[PLAN]
    folder = tmp_path / "redis"
    folder.mkdir()
    try:
        with running(folder, given=plan.redis_url) as found:
            yield found
    except LookupError as problem:
        say = pytest.fail if plan.required else pytest.skip
        say(f"needs the service Redis: {problem}")
