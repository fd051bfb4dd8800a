"""Programs of a newer Debian than this machine's: its packages are unpacked in a folder.

The folder stays for later sessions; nothing is installed on the machine.
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
    """Return the folder of the trees. Users other than root run programs from it."""
    if folder := os.environ.get(CACHE_VARIABLE):
        return Path(folder)
    own = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path("/var/cache" if os.geteuid() == 0 else own) / "pilotage" / "testbeds"


CACHE = _cache()
"""The folder of the trees. It is read before a test session removes its environment variables."""

SUITE = "trixie"
BASE = (
    "bash", "coreutils", "libc-bin", "procps", "dash", "base-files", "base-passwd", "sed", "grep",
    "findutils", "gawk", "debianutils", "util-linux", "mount", "passwd", "hostname",
)  # fmt: skip
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
MIRROR = re.compile(r"https?://\S+/debian/?(?=\s|$)")


def tree(name: str, names: Sequence[str], marker: str) -> Path:
    """Return the folder with these packages; fetch them from the machine's mirror if needed."""
    root = CACHE / f"{name}-{SUITE}"
    if (root / marker).exists():
        return root
    if not packages.ALLOWED:
        raise NotToBeHad(f"{name} is not in {root}, and {INSTALL_VARIABLE} is not 1")
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root / marker).exists():
            _fetch(root, [*names, *BASE])
    return root


def _fetch(root: Path, names: Sequence[str]) -> None:
    for name in ("apt-get", "dpkg-deb", "ldconfig", "tar"):
        if shutil.which(name, path=SYSTEM_PATH) is None:
            raise NotToBeHad(f"{root.name} is fetched with {name}, which is not here")
    draft, apt = root.with_suffix(".draft"), root.with_suffix(".apt")
    for folder in (draft, apt):
        shutil.rmtree(folder, ignore_errors=True)
    for name in ("lists/partial", "cache/archives/partial", "state"):
        (apt / name).mkdir(parents=True)
    _download(apt, names)
    _unpack(sorted((apt / "cache" / "archives").glob("*.deb")), draft)
    draft.rename(root)
    shutil.rmtree(apt)


def _download(apt: Path, names: Sequence[str]) -> None:
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
    _run([*get, "install", "--no-install-recommends", "--download-only", *names])


def _mirror() -> str:
    sources = [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]
    for path in sources:
        if path.is_file() and (match := MIRROR.search(path.read_text(errors="replace"))):
            return match.group()
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
    result = subprocess.run(
        words, check=False, capture_output=True, text=True, env={**os.environ, "PATH": SYSTEM_PATH}
    )
    if result.returncode:
        raise NotToBeHad(f"{words[0]}: {result.stderr.strip()[-300:]}")
