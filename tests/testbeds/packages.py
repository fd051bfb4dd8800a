"""The Debian packages of a testbed, which are installed only if this is allowed."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

INSTALL_VARIABLE = "PILOTAGE_TESTBED_INSTALL"
ALLOWED = os.environ.get(INSTALL_VARIABLE) == "1"
"""Whether packages may be installed. A test session sets it for workers without the variable."""

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""The PATH of the processes of a testbed."""


class NotToBeHad(LookupError):
    """A testbed cannot be had on this machine."""


def require(programs: Sequence[str], packages: Sequence[str]) -> None:
    """Install the packages unless all these programs, or files with a path, exist."""
    names = _missing(programs)
    if not names:
        return
    problem = f"{', '.join(names)} not installed (apt-get install {' '.join(packages)})"
    if not ALLOWED:
        raise NotToBeHad(f"{problem}, and {INSTALL_VARIABLE} is not 1")
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise NotToBeHad(f"{problem}, and only root can install packages with apt-get")
    with (Path(tempfile.gettempdir()) / "pilotage-testbed-install").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _missing(programs):
            _install(packages)
    names = _missing(programs)
    if names:
        raise NotToBeHad(f"{', '.join(names)}: not in the packages {' '.join(packages)}")


def program(name: str) -> str:
    """Return the path of a program, also in the folders for administrators."""
    return shutil.which(name, path=_search_path()) or name


def _search_path() -> str:
    """Return PATH with the sbin folder beside each bin folder; not every user has them."""
    folders = [Path(name) for name in os.get_exec_path()]
    beside = [folder.with_name("sbin") for folder in folders if folder.name == "bin"]
    return os.pathsep.join(map(str, dict.fromkeys([*folders, *beside])))


def _missing(programs: Sequence[str]) -> list[str]:
    return [name for name in programs if not _exists(name)]


def _exists(name: str) -> bool:
    if name.startswith("/"):
        return Path(name).exists()
    return shutil.which(name, path=_search_path()) is not None


def _install(packages: Sequence[str]) -> None:
    # With runlevel 1 the scripts of the packages start no service.
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    install = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages]
    for words in (["apt-get", "update", "-q"], install):
        result = subprocess.run(words, env=quiet, check=False, capture_output=True, text=True)
        if result.returncode:
            raise NotToBeHad(f"{' '.join(words[:2])}: {result.stderr.strip()[-300:]}")
