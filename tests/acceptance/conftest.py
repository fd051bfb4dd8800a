"""Processes and servers for a test of the running system."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.processes import Processes
from tests.redis_server import Redis, running
from tests.session import PLAN


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """A starter of processes; a process that still runs after the test is killed and fails it."""
    processes = Processes(tmp_path)
    yield processes
    survivors = processes.left()
    processes.end()
    assert survivors == {}, "these processes still run"


@pytest.fixture
def redis_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Redis]:
    """A Redis server for this test alone."""
    plan = request.config.stash[PLAN]
    folder = tmp_path / "redis"
    folder.mkdir()
    try:
        with running(folder, given=plan.redis_url) as server:
            yield server
    except LookupError as problem:
        say = pytest.fail if plan.required else pytest.skip
        say(f"needs the service Redis: {problem}")
