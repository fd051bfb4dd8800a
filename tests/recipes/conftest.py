"""Fleets, and the processes that they start."""

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
    made = Fleet(processes, tmp_path)
    yield made
    made.end()
