"""The versions of ARC: 6 from packages of this machine, 7 from packages of a newer Debian."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.testbeds import debian
from tests.testbeds.packages import NotToBeHad, require

PACKAGES = (
    "nordugrid-arc-arex",
    "nordugrid-arc-client",
    "nordugrid-arc-plugins-needed",
    "nordugrid-arc-plugins-arcrest",
    "openssl",
)
PROGRAMS = ("arched", "arcstat", "openssl")
FILES = ("/usr/share/arc/submit-fork-job", "/usr/lib/arc/libaccARCREST.so")
ARCHED = "usr/sbin/arched"

TRUST = "/etc/grid-security/certificates"
"""Where the web service looks for the authority of an issuer; no setting changes that."""

ELSEWHERE = """\
#!/bin/sh
# Run a program where the authorities that are trusted are those of this testbed.
set -e
mount --bind "{trust}" {certificates}
exec "$@"
"""

INSIDE = """\
#!/bin/sh
# Run a program of the tree, with the devices, users and folders of the machine.
set -e
root="{root}" own="{own}"
mkdir -p "$root/proc" "$root/sys" "$root/dev" "$root/tmp" "$root/home" "$root/run" "$root$own" \\
  "$root{certificates}" "$root/var/tmp"
mount --bind "$root" "$root"
for folder in proc sys dev tmp home; do mount --rbind "/$folder" "$root/$folder"; done
case "$own" in /tmp/*|/home/*) ;; *) mount --bind "$own" "$root$own" ;; esac
for file in passwd shadow group hosts nsswitch.conf resolv.conf hostname; do
  [ -e "/etc/$file" ] || continue
  [ -e "$root/etc/$file" ] || : > "$root/etc/$file"
  mount --bind "/etc/$file" "$root/etc/$file"
done
mount --bind "{trust}" "$root{certificates}"
cd /
exec chroot "$root" "$@"
"""


@dataclass(frozen=True, kw_only=True)
class Version:
    """A version of ARC on this machine: its files, and the way to run its programs."""

    name: str
    root: Path
    wrapper: str | None

    @property
    def scripts(self) -> Path:
        """The folder of its scripts."""
        return self.root / "usr/share/arc"

    def wrapper_command(self, folder: Path) -> list[str]:
        """Write the script that runs its programs; return the words before each program."""
        if self.wrapper is None:
            return []
        text = self.wrapper.format(
            root=self.root, own=folder, trust=folder / "pki/certificates", certificates=TRUST
        )
        script = folder / "run" / "inside"
        script.write_text(text, encoding="utf-8")
        script.chmod(0o755)
        return ["unshare", "--mount", "--propagation", "private", str(script)]


def six() -> Version:
    """Return ARC 6; install it if that is allowed."""
    require((*PROGRAMS, *FILES), PACKAGES)
    may_mount = _may_mount()
    if may_mount:
        Path(TRUST).mkdir(parents=True, exist_ok=True)
    return Version(name="6", root=Path("/"), wrapper=ELSEWHERE if may_mount else None)


def seven() -> Version:
    """Return ARC 7; fetch it if that is allowed."""
    if not _may_mount():
        raise NotToBeHad("a tree of another Debian needs mount namespaces")
    root = debian.tree("arc", [*PACKAGES, "perl", "python3"], ARCHED)
    package_manager = root / "usr" / "bin" / "apt-get"
    if not package_manager.exists():
        # ARC does not start without a package manager, but it does not use it.
        package_manager.symlink_to("true")
    return Version(name="7", root=root, wrapper=INSIDE)


VERSIONS: Mapping[str, Callable[[], Version]] = {"6": six, "7": seven}


def provide(name: str) -> Version:
    """Return a version, or raise an error that says why it is missing."""
    if os.geteuid() != 0:
        raise NotToBeHad("only root can start an A-REX that runs jobs as another user")
    return VERSIONS[name]()


def _may_mount() -> bool:
    return os.spawnvp(os.P_WAIT, "unshare", ["unshare", "--mount", "true"]) == 0
