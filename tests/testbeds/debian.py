"""Programs of a newer Debian than this machine's: its packages, unpacked in a folder.

The folder is kept for later sessions; nothing is installed on the machine.
"""

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.testbeds import packages
from tests.testbeds.packages import INSTALL_VARIABLE, SYSTEM_PATH, NotToBeHad

CACHE_VARIABLE = "PILOTAGE_TESTBED_CACHE"


def _cache() -> Path:
    """Choose where trees are kept. Jobs run their programs as another user than root."""
    if given := os.environ.get(CACHE_VARIABLE):
        return Path(given)
    own = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path("/var/cache" if os.geteuid() == 0 else own) / "pilotage" / "testbeds"


CACHE = _cache()
"""Where trees are kept; read before a test session scrubs the environment."""

SUITE = "trixie"
BASE = (
    "bash", "coreutils", "libc-bin", "procps", "dash", "base-files", "base-passwd", "sed", "grep",
    "findutils", "gawk", "debianutils", "util-linux", "mount", "passwd", "hostname",
)  # fmt: skip
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
MIRROR = re.compile(r"https?://\S+/debian/?(?=\s|$)")


def tree(name: str, wanted: Sequence[str], marker: str) -> Path:
    """Give the folder with these packages, fetched from the machine's own mirror if need be."""
    root = CACHE / f"{name}-{SUITE}"
    if (root / marker).exists():
        return root
    if not packages.ALLOWED:
        raise NotToBeHad(f"{name} is not in {root}, and {INSTALL_VARIABLE} is not 1")
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root / marker).exists():
            _fetch(root, [*wanted, *BASE])
    return root


def _fetch(root: Path, wanted: Sequence[str]) -> None:
    for name in ("apt-get", "dpkg-deb", "ldconfig", "tar"):
        if shutil.which(name, path=SYSTEM_PATH) is None:
            raise NotToBeHad(f"{root.name} is fetched with {name}, which is not here")
    draft, apt = root.with_suffix(".draft"), root.with_suffix(".apt")
    for folder in (draft, apt):
        shutil.rmtree(folder, ignore_errors=True)
    for name in ("lists/partial", "cache/archives/partial", "state"):
        (apt / name).mkdir(parents=True)
    _download(apt, wanted)
    _unpack(sorted((apt / "cache" / "archives").glob("*.deb")), draft)
    draft.rename(root)
    shutil.rmtree(apt)


def _download(apt: Path, wanted: Sequence[str]) -> None:
    (apt / "state" / "status").touch()
    (apt / "sources.list").write_text(f"deb [signed-by={KEYRING}] {_mirror()} {SUITE} main\n")
    settings = {
        "Dir::State": apt / "state",
        "Dir::State::Lists": apt / "lists",
        "Dir::State::status": apt / "state" / "status",
        "Dir::Cache": apt / "cache",
        "Dir::Etc::SourceList": apt / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::Etc::PreferencesParts": "/dev/null",
        "APT::Sandbox::User": "root",
    }
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    get = ["apt-get", "-q", "-y", *options]
    _run([*get, "update"])
    _run([*get, "install", "--no-install-recommends", "--download-only", *wanted])


def _mirror() -> str:
    sources = [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]
    for path in sources:
        if path.is_file() and (found := MIRROR.search(path.read_text(errors="replace"))):
            return found.group()
    raise NotToBeHad("a tree is fetched from a Debian mirror, and this machine names none")


def _unpack(archives: Sequence[Path], root: Path) -> None:
    for name in ("bin", "lib", "lib64", "sbin"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for archive in archives:
        files = subprocess.run(
            ["dpkg-deb", "--fsys-tarfile", str(archive)], check=True, capture_output=True
        ).stdout
        unpack = ["tar", "-C", str(root), "--keep-directory-symlink", "--no-same-owner", "-xf", "-"]
        subprocess.run(unpack, check=True, input=files)
    for name, link in (("awk", "gawk"), ("sh", "dash")):
        if not (root / "usr" / "bin" / name).exists():
            (root / "usr" / "bin" / name).symlink_to(link)
    _run(["ldconfig", "-r", str(root)])


def _run(words: Sequence[str]) -> None:
    done = subprocess.run(
        words, check=False, capture_output=True, text=True, env={**os.environ, "PATH": SYSTEM_PATH}
    )
    if done.returncode:
        raise NotToBeHad(f"{words[0]}: {done.stderr.strip()[-300:]}")
