"""The testbed of a test session: one for each worker, for a test may hold its A-REX up."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.servers import LONG_VARIABLE, Plan
from tests.session import PLAN, worker_name
from tests.testbeds.arc import service
from tests.testbeds.arc.service import Testbed
from tests.testbeds.debian import CACHE, CACHE_VARIABLE
from tests.testbeds.packages import INSTALL_VARIABLE, SYSTEM_PATH

PATIENCE = 90.0
PATIENCE_WITH_PACKAGES = 900.0


@pytest.fixture(scope="session")
def arc_testbed(request: pytest.FixtureRequest) -> Testbed:
    """A real ARC CE 6, started by whoever needs it first; it ends with the session."""
    return _testbed(request.config, "6")


@pytest.fixture(scope="session")
def arc7_testbed(request: pytest.FixtureRequest) -> Testbed:
    """A real ARC CE 7, for the long form of the tests."""
    if not request.config.stash[PLAN].long:
        pytest.skip(f"{LONG_VARIABLE} is not 1: ARC 7 is tried in the long form only")
    return _testbed(request.config, "7")


def _testbed(config: pytest.Config, version: str) -> Testbed:
    plan = config.stash[PLAN]
    folder = Path(f"{plan.folder}-arc{version}{worker_name(config)}")
    if not folder.exists():
        _start_keeper(folder, plan, version)
    give_up = time.monotonic() + (PATIENCE_WITH_PACKAGES if plan.may_install else PATIENCE)
    problem = folder / "problem"
    while time.monotonic() < give_up and not problem.exists():
        found = service.read(folder)
        if found is not None:
            return found
        time.sleep(0.05)
    why = problem.read_text(encoding="utf-8") if problem.exists() else "it did not start in time"
    if plan.required:
        pytest.fail(f"needs the service ARC {version}: {why}")
    pytest.skip(f"needs the service ARC {version}: {why}")


def _start_keeper(folder: Path, plan: Plan, version: str) -> None:
    folder.mkdir()
    alive = str(Path(plan.folder) / "alive")
    subprocess.run(
        [sys.executable, "-m", "tests.testbeds.arc", "keep", str(folder), alive, version],
        cwd=Path(__file__).parents[3],
        env={
            "PATH": SYSTEM_PATH,
            "HOME": str(Path.home()),
            INSTALL_VARIABLE: str(int(plan.may_install)),
            CACHE_VARIABLE: str(CACHE),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
