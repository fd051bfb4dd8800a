"""The testbeds of a test session; the first test that needs one starts it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest

from tests.session import PLAN, worker_name
from tests.testbeds import slurm, ssh
from tests.testbeds.keeper import DidNotStart
from tests.testbeds.packages import NotToBeHad


class Stoppable(Protocol):
    """A testbed that can be stopped."""

    def down(self) -> None:
        """Stop the testbed."""


T = TypeVar("T", bound=Stoppable)


@pytest.fixture(scope="session")
def slurm_cluster(request: pytest.FixtureRequest) -> Iterator[slurm.Slurm]:
    """A Slurm with accounting."""
    yield from _running(request.config, "Slurm", slurm.up)


@pytest.fixture(scope="session")
def forgetful_slurm(request: pytest.FixtureRequest) -> Iterator[slurm.Slurm]:
    """A Slurm without accounting that soon forgets the jobs that have ended."""
    options = {"accounting": False, "forget_after": 2}
    yield from _running(request.config, "Slurm", slurm.up, **options)


@pytest.fixture(scope="session")
def login_node(request: pytest.FixtureRequest) -> Iterator[ssh.LoginNode]:
    """A login node that is reached by SSH."""
    yield from _running(request.config, "sshd", ssh.up)


def _running(config: pytest.Config, name: str, up: Callable[..., T], **options: Any) -> Iterator[T]:
    """Start a testbed in a folder that other users can enter."""
    plan = config.stash[PLAN]
    folder = Path(plan.folder) / "testbeds" / f"{name}-{len(options)}-{worker_name(config)}"
    try:
        testbed = up(folder, with_parent=True, **options)
    except (NotToBeHad, DidNotStart) as problem:
        say = pytest.fail if plan.required else pytest.skip
        say(f"needs the service {name}: {problem}")
    yield testbed
    testbed.down()
