"""The fixture of a private HTCondor, started once for each worker of a session."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.session import PLAN, worker_name
from tests.testbeds.condor import Condor, remove, up


@pytest.fixture(scope="session")
def condor_pool(request: pytest.FixtureRequest) -> Iterator[Condor]:
    yield from running(request.config, "condor", slots=32)


def running(config: pytest.Config, name: str, *, slots: int) -> Iterator[Condor]:
    """Start a pool; without slots it waits for workers from other hosts."""
    plan = config.stash[PLAN]
    folder = Path(plan.folder) / f"{name}{worker_name(config)}"
    try:
        pool = up(folder, slots=slots, with_parent=True)
    except LookupError as problem:
        say = pytest.fail if plan.required else pytest.skip
        say(f"needs the service HTCondor: {problem}")
    yield pool
    remove(folder)


@pytest.fixture
def condor(condor_pool: Condor) -> Iterator[Condor]:
    """A pool. Its jobs run as another user, who may write the files of the test."""
    before = os.umask(0)
    yield condor_pool
    os.umask(before)
