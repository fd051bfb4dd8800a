"""A testbed that runs in the background, and ends with the process that started it."""

import subprocess
import sys
import time
from pathlib import Path

from tests.testbeds.arc import service
from tests.testbeds.arc.service import Testbed
from tests.testbeds.debian import CACHE, CACHE_VARIABLE
from tests.testbeds.packages import INSTALL_VARIABLE, SYSTEM_PATH

PATIENCE = 300.0
PATIENCE_WITH_PACKAGES = 1200.0
"""Seconds to wait for a start. The keeper gives up earlier, and says why."""


def kept(folder: Path, alive: Path, version: str, *, may_install: bool) -> Testbed:
    """Start the CE unless it runs; it stops when nobody holds a lock on a file any more."""
    if not folder.exists():
        _start_keeper(folder, alive, version, may_install=may_install)
    give_up = time.monotonic() + (PATIENCE_WITH_PACKAGES if may_install else PATIENCE)
    problem = folder / "problem"
    while time.monotonic() < give_up and not problem.exists():
        testbed = service.read(folder)
        if testbed is not None:
            return testbed
        time.sleep(0.05)
    why = problem.read_text(encoding="utf-8") if problem.exists() else "it did not start in time"
    raise LookupError(why)


def _start_keeper(folder: Path, alive: Path, version: str, *, may_install: bool) -> None:
    folder.mkdir()
    subprocess.run(
        [sys.executable, "-m", "tests.testbeds.arc", "keep", str(folder), str(alive), version],
        cwd=Path(__file__).parents[3],
        env={
            "PATH": SYSTEM_PATH,
            "HOME": str(Path.home()),
            INSTALL_VARIABLE: str(int(may_install)),
            CACHE_VARIABLE: str(CACHE),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
