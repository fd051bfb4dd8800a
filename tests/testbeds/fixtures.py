"""The testbeds of a test session, each started by the first test that asks for it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest

from tests.session import PLAN, worker_name
from tests.testbeds import slurm, ssh
from tests.testbeds.keeper import DidNotStart
from tests.testbeds.packages import NotToBeHad


class Stoppable(Protocol):
    """What has been started, and can be stopped."""

    def down(self) -> None:
        """Stop it."""


T = TypeVar("T", bound=Stoppable)


@pytest.fixture(scope="session")
def slurm_cluster(request: pytest.FixtureRequest) -> Iterator[slurm.Slurm]:
    """A Slurm with accounting."""
    yield from _running(request.config, "Slurm", slurm.up)


@pytest.fixture(scope="session")
def forgetful_slurm(request: pytest.FixtureRequest) -> Iterator[slurm.Slurm]:
    """A Slurm without accounting that soon forgets the jobs that have ended."""
    told = {"accounting": False, "forget_after": 2}
    yield from _running(request.config, "Slurm", slurm.up, **told)


@pytest.fixture(scope="session")
def login_node(request: pytest.FixtureRequest) -> Iterator[ssh.LoginNode]:
    """A login node to reach by SSH."""
    yield from _running(request.config, "sshd", ssh.up)


def _running(config: pytest.Config, name: str, up: Callable[..., T], **told: Any) -> Iterator[T]:
    """Start a testbed in a folder that other users can enter."""
    plan = config.stash[PLAN]
    folder = Path(plan.folder) / "testbeds" / f"{name}-{len(told)}-{worker_name(config)}"
    try:
        made = up(folder, with_parent=True, **told)
    except (NotToBeHad, DidNotStart) as problem:
        say = pytest.fail if plan.required else pytest.skip
        say(f"needs the service {name}: {problem}")
    yield made
    made.down()
