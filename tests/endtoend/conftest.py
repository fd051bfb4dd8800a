"""Fixtures for real CEs and real workers."""

from collections.abc import Iterator

import pytest

from tests.acceptance.conftest import processes as processes
from tests.acceptance.conftest import redis_server as redis_server
from tests.acceptance.processes import Processes
from tests.backends.conftest import arc_site as arc_site
from tests.endtoend.crew import Crew
from tests.redis_server import Redis


@pytest.fixture
def crew(processes: Processes, redis_server: Redis) -> Iterator[Crew]:
    """Workers that a test starts; they stop at its end."""
    crew = Crew(processes, redis_server)
    yield crew
    crew.stop()
