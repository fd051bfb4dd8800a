"""The Debian packages of a testbed: installed only where this is allowed."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

INSTALL_VARIABLE = "PILOTAGE_TESTBED_INSTALL"
ALLOWED = os.environ.get(INSTALL_VARIABLE) == "1"
"""What the machine says; a test session sets it, for its workers do not see the environment."""

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""The path of a testbed's own processes."""


class NotToBeHad(LookupError):
    """A testbed cannot be had on this machine."""


def require(programs: Sequence[str], packages: Sequence[str]) -> None:
    """Make sure that these programs, and files that are named by their paths, are installed."""
    missing = _missing(programs)
    if not missing:
        return
    told = f"{', '.join(missing)} not installed (apt-get install {' '.join(packages)})"
    if not ALLOWED:
        raise NotToBeHad(f"{told}, and {INSTALL_VARIABLE} is not 1")
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise NotToBeHad(f"{told}, and only root can install packages with apt-get")
    with (Path(tempfile.gettempdir()) / "pilotage-testbed-install").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _missing(programs):
            _install(packages)
    missing = _missing(programs)
    if missing:
        raise NotToBeHad(f"{', '.join(missing)}: not in the packages {' '.join(packages)}")


def program(name: str) -> str:
    """Find a program on the path, those for administrators included."""
    return shutil.which(name, path=_search_path()) or name


def _search_path() -> str:
    """Write the path with the sbin folders beside it, which not every user has on theirs."""
    folders = [Path(name) for name in os.get_exec_path()]
    beside = [folder.with_name("sbin") for folder in folders if folder.name == "bin"]
    return os.pathsep.join(map(str, dict.fromkeys([*folders, *beside])))


def _missing(programs: Sequence[str]) -> list[str]:
    return [name for name in programs if not _is_there(name)]


def _is_there(name: str) -> bool:
    if name.startswith("/"):
        return Path(name).exists()
    return shutil.which(name, path=_search_path()) is not None


def _install(packages: Sequence[str]) -> None:
    # With the runlevel 1, the packages' own scripts start no service.
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    install = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages]
    for words in (["apt-get", "update", "-q"], install):
        done = subprocess.run(words, env=quiet, check=False, capture_output=True, text=True)
        if done.returncode:
            raise NotToBeHad(f"{' '.join(words[:2])}: {done.stderr.strip()[-300:]}")
