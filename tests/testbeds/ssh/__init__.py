"""A private sshd on the loopback: own host key, login by key only.

    python -m tests.testbeds.ssh up|down FOLDER

With root's testbed the job user logs in; otherwise it is the user who started it.
"""

import os
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.redis_server import free_port
from tests.testbeds.keeper import DidNotStart, Keeper, Kept, descendants
from tests.testbeds.packages import program, require
from tests.testbeds.users import job_user

PACKAGES = ("openssh-server", "openssh-client")
PROGRAMS = ("sshd", "ssh", "ssh-keygen")


@dataclass(frozen=True, kw_only=True)
class LoginNode:
    """A private sshd that runs."""

    kept: Kept
    port: int
    user: str

    @property
    def options(self) -> dict[str, Any]:
        """The options of a CE behind this node."""
        return {
            "ssh": f"{self.user}@127.0.0.1",
            "ssh_port": self.port,
            "ssh_key": str(self.kept.folder / "key"),
            "ssh_known_hosts": str(self.kept.folder / "known_hosts"),
        }

    def new_key(self, name: str) -> Path:
        """Make a key that the node does not accept yet."""
        return _key(self.kept.folder / name)

    def down(self) -> None:
        """Stop the node, and with it all sessions."""
        self.kept.down()

    def up_again(self) -> None:
        """Start the node again, at the same port."""
        self.kept.up("tests.testbeds.ssh", str(self.port), with_parent=True)

    def processes(self) -> list[int]:
        """Return the processes of the node and their descendants."""
        return descendants(self.kept.facts()["keeper"])


def up(folder: Path, *, port: int = 0, with_parent: bool = False) -> LoginNode:
    """Start a private sshd in a folder, unless it runs there already."""
    require(PROGRAMS, PACKAGES)
    kept = Kept(folder.resolve())
    facts = kept.up("tests.testbeds.ssh", str(port), with_parent=with_parent)
    return LoginNode(kept=kept, port=facts["port"], user=facts["user"])


def start(keeper: Keeper, arguments: Sequence[str]) -> dict[str, Any]:
    """Write keys and settings, and then start sshd."""
    folder, user = keeper.folder, job_user()
    port = int(arguments[0]) or free_port()
    folder.chmod(0o755)
    host, key = _key(folder / "host_key"), _key(folder / "key")
    public = key.with_name("key.pub").read_text()
    if not (folder / "authorized_keys").exists():
        (folder / "authorized_keys").write_text(public)
    host_key = " ".join(host.with_name("host_key.pub").read_text().split()[:2])
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key}\n")
    (folder / "sshd_config").write_text(_settings(folder, port))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd needs this folder
    server = keeper.start("sshd", [program("sshd"), "-D", "-e", "-f", str(folder / "sshd_config")])
    keeper.wait("sshd", lambda: _answers(port))
    if server.poll() is not None:
        raise DidNotStart("sshd ended")
    return {"port": port, "user": user}


def _settings(folder: Path, port: int) -> str:
    lines = [
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        f"HostKey {folder}/host_key",
        "PidFile none",
        f"AuthorizedKeysFile {folder}/authorized_keys",
        "StrictModes no",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "UsePAM no",
        "MaxStartups 200:30:400",
        "MaxSessions 100",
    ]
    return "\n".join(lines) + "\n"


def _key(path: Path) -> Path:
    if not path.exists():
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", str(path)]
        subprocess.run(words, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    return path


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as probe:
            return probe.recv(4) == b"SSH-"
    except OSError:
        return False
