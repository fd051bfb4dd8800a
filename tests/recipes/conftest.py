"""Fleets and their processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.processes import Processes
from tests.recipes.fleet import Fleet


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    folder = tmp_path / "started"
    folder.mkdir()
    processes = Processes(folder)
    fleet = Fleet(processes, tmp_path)
    yield fleet
    fleet.end()
