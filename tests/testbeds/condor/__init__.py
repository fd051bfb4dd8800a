"""A private HTCondor: a whole pool of one machine, with more slots than the machine has.

    python -m tests.testbeds.condor up|down|jobs FOLDER

starts one, stops it, or lists what it has by stamp, independently of the driver. The daemons run
in the unpacked tree, in a mount namespace of their own; the clients run beside it with the tree's
libraries.
"""

import json
import os
import secrets
import shlex
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.redis_server import free_port
from tests.testbeds.condor import credentials
from tests.testbeds.condor.configuration import DOMAIN, SCHEDD, WORKERS, Plan
from tests.testbeds.condor.files import tree
from tests.testbeds.keeper import Keeper, Kept
from tests.testbeds.packages import SYSTEM_PATH, NotToBeHad, require
from tests.testbeds.users import JOB_USER, job_user

OTHER_USER = "nobody"
TOOLS = (
    "history", "hold", "ping", "q", "qedit", "release", "rm", "status", "submit",
    "transfer_data", "vacate_job", "version",
)  # fmt: skip
RELEASE = {
    "bin": ("condor_ping",),
    "libexec/condor": ("condor_gpu_discovery", "condor_power_state"),
    "sbin": ("condor_startd", "condor_starter", "condor_procd"),
}
"""The programs of a worker that joins the pool from another host."""


@dataclass(frozen=True, kw_only=True)
class Condor:
    """A private HTCondor that runs."""

    kept: Kept
    root: Path

    @property
    def programs(self) -> Path:
        """The programs of the client. They run as their caller and show a token."""
        return self.kept.folder / "bin"

    @property
    def local_programs(self) -> Path:
        """The same programs. They run as the job user, as on the host of the schedd."""
        return self.kept.folder / "local-bin"

    @property
    def release(self) -> Path:
        """The folder of HTCondor for a user without rights who starts its daemons."""
        return self.kept.folder / "release"

    @property
    def client(self) -> Path:
        """The configuration that goes with `programs`."""
        return self.kept.folder / "etc" / "client"

    @property
    def daemons(self) -> Path:
        """The configuration of the pool, which goes with `local_programs`."""
        return self.kept.folder / "etc" / "condor_config"

    @property
    def address(self) -> str:
        """The address of its collector."""
        return f"127.0.0.1:{self.kept.facts()['port']}"

    def token(self, user: str = JOB_USER) -> Path:
        """Return the file with the token of a user."""
        return self.kept.folder / "tokens" / user / "token"

    def credential(self, name: str) -> Path:
        """Return the file with a credential of the job user: `proxy` or `scitoken`."""
        return self.kept.folder / "credentials" / name

    def worker_token(self, path: Path) -> Path:
        """Make a token that the job user can read, and that is valid only for a worker."""
        rights = "ADVERTISE_STARTD READ"
        self.make_token(WORKERS, path, rights=rights)
        shutil.chown(path, JOB_USER)
        return path

    def call(self, tool: str, *words: str, said: str = "", user: str = JOB_USER) -> str:
        """Run a program of HTCondor as a user; return its output."""
        result = self._run(tool, *words, said=said, user=user)
        assert result.returncode == 0, f"{tool} {words}: {result.stdout!r}{result.stderr!r}"
        return result.stdout.decode(errors="replace")

    def attempt(self, tool: str, *words: str) -> bool:
        """Run a program of HTCondor; return whether it succeeds."""
        return not self._run(tool, *words).returncode

    def _run(
        self, tool: str, *words: str, said: str = "", user: str = JOB_USER
    ) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            [str(self.programs / f"condor_{tool}"), *words],
            check=False,
            capture_output=True,
            input=said.encode(),
            env=self.environment(user),
        )

    def environment(self, user: str = JOB_USER) -> dict[str, str]:
        """Return the environment for the programs of HTCondor."""
        return {
            "PATH": SYSTEM_PATH,
            "CONDOR_CONFIG": str(self.client),
            "_CONDOR_SEC_TOKEN_DIRECTORY": str(self.token(user).parent),
        }

    def make_token(self, user: str, path: Path, lifetime: int = -1, rights: str = "") -> None:
        """Make a token of a user; if it has rights, it is valid only for these."""
        create = ["/usr/bin/condor_token_create", "-identity", f"{user}@{DOMAIN}"]
        create += [word for right in rights.split() for word in ("-authz", right)]
        words = [str(self.kept.folder / "inside"), *create, "-lifetime", str(lifetime)]
        token = subprocess.run(words, check=True, capture_output=True).stdout
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        path.write_bytes(token)

    def queue(self, constraint: str) -> list[dict[str, Any]]:
        """Return jobs in the queue, without the driver."""
        return self._list("q", "-allusers", "-constraint", constraint)

    def recorded(self, constraint: str) -> list[dict[str, Any]]:
        """Return jobs in the history, without the driver."""
        return self._list("history", "-constraint", constraint)

    def _list(self, tool: str, *words: str) -> list[dict[str, Any]]:
        output = self.call(tool, "-name", SCHEDD, "-json", *words)
        return json.loads(output, strict=False) if output.strip() else []

    def jobs(self, prefix: str) -> dict[str, list[str]]:
        """Return the jobs of an installation that have not ended, by stamp."""
        by_stamp = defaultdict(list)
        words = ["-allusers", "-name", SCHEDD, "-af", "ClusterId", "ProcId", "PilotageStamp"]
        constraint = f'substr(PilotageInstance, 0, {len(prefix) + 1}) == "{prefix}/"'
        for line in self.call("q", *words, "-constraint", constraint).splitlines():
            cluster, process, stamp = line.split()
            by_stamp[stamp].append(f"{cluster}.{process}")
        return dict(by_stamp)

    def history_files(self) -> list[Path]:
        """Return the files of the history."""
        return list((self.kept.folder / "spool").glob("history*"))

    def pid(self, daemon: str) -> int:
        """Return the process of a daemon."""
        return self.kept.pid(daemon)

    def down(self) -> None:
        """Stop HTCondor."""
        self.kept.down()


def up(folder: Path, *, slots: int = 64, with_parent: bool = False) -> Condor:
    """Start a private HTCondor in a folder, unless it runs there already."""
    if os.geteuid() != 0:
        raise NotToBeHad("HTCondor runs jobs as another user, and only root can let it")
    require(["openssl"], ["openssl"])
    root = tree()
    kept = Kept(folder.resolve())
    kept.up("tests.testbeds.condor", str(root), str(slots), with_parent=with_parent)
    return Condor(kept=kept, root=root)


def at(folder: Path) -> Condor:
    """Return the HTCondor of a folder."""
    return Condor(kept=Kept(folder.resolve()), root=tree())


def start(keeper: Keeper, arguments: Sequence[str]) -> dict[str, Any]:
    """Start the daemons, and wait until a job could run."""
    root, slots = arguments
    os.environ["PATH"] = SYSTEM_PATH
    job_user()
    plan = Plan(folder=keeper.folder, port=free_port(), slots=int(slots))
    condor = Condor(kept=Kept(keeper.folder), root=Path(root))
    _make_folders(condor)
    credentials.make(condor.kept.folder / "credentials", JOB_USER)
    condor.daemons.write_text(plan.daemons())
    condor.client.write_text(plan.client(condor.token().parent))
    inside = condor.kept.folder / "inside"
    _write_program(inside, _INSIDE.format(root=condor.root, config=condor.daemons, own=plan.folder))
    _write_clients(condor)
    keeper.start("master", [str(inside), "/usr/sbin/condor_master", "-f"])
    status = [str(condor.programs / "condor_status"), "-af", "Name"]
    schedd = [*status, "-schedd"]
    keeper.wait("the schedd", lambda: _has_output(schedd, condor.environment()))
    if plan.slots:
        keeper.wait("a slot", lambda: _has_output(status, condor.environment()))
    for user in (JOB_USER, OTHER_USER):
        condor.make_token(user, condor.token(user))
    return {"port": plan.port}


def _has_output(words: Sequence[str], environment: dict[str, str]) -> bool:
    result = subprocess.run(words, check=False, capture_output=True, env=environment)
    return result.returncode == 0 and bool(result.stdout.strip())


def _make_folders(condor: Condor) -> None:
    folder = condor.kept.folder
    for name in ("etc", "log", "run", "run/sockets", "spool", "execute", "bin", "local-bin"):
        (folder / name).mkdir(exist_ok=True)
    for name in ("passwords", "tokens", "none"):
        (folder / name).mkdir(mode=0o700, exist_ok=True)
    key = folder / "passwords" / "POOL"
    if not key.exists():
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(64))


def _write_clients(condor: Condor) -> None:
    """Write a program for each tool and for each daemon of a worker."""
    for folder, names in RELEASE.items():
        (condor.release / folder).mkdir(parents=True, exist_ok=True)
        for name in names:
            line = _command(condor.root, f"{folder}/{name}")
            _write_program(condor.release / folder / name, f'#!/bin/sh\nexec {line} "$@"\n')
    for tool in TOOLS:
        name = f"condor_{tool}"
        line = _command(condor.root, f"bin/{name}")
        as_user = f"setpriv --reuid={JOB_USER} --regid={JOB_USER} --clear-groups"
        _write_program(condor.programs / name, f'#!/bin/sh\nexec {line} "$@"\n')
        _write_program(condor.local_programs / name, f'#!/bin/sh\nexec {as_user} {line} "$@"\n')


def _command(root: Path, program: str) -> str:
    """Return the command for a program of the tree, with the loader and libraries of the tree."""
    lib, loader = root / "usr" / "lib", root / "usr" / "lib64" / "ld-linux-x86-64.so.2"
    words = [str(loader), "--argv0", Path(program).name]
    words += ["--library-path", f"{lib / 'x86_64-linux-gnu'}:{lib}"]
    return shlex.join([*words, str(root / "usr" / program)])


def _write_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def remove(folder: Path) -> None:
    """Stop the HTCondor of a folder, and remove the folder."""
    Kept(folder.resolve()).down()
    shutil.rmtree(folder, ignore_errors=True)


# The root must be a mount point: the starter makes a mount namespace of its own.
_INSIDE = """#!/bin/sh
# Run a program of the tree, with the devices, users and folders of the machine.
if [ -z "$INSIDE" ]; then INSIDE=1 exec unshare --mount --propagation private "$0" "$@"; fi
set -e
root={root} own={own}
mkdir -p "$root/proc" "$root/sys" "$root/dev" "$root/tmp" "$root/home" "$root/run" "$root$own"
mount --bind "$root" "$root"
for folder in proc sys dev tmp home; do mount --rbind "/$folder" "$root/$folder"; done
case "$own" in /tmp/*|/home/*) ;; *) mount --bind "$own" "$root$own" ;; esac
for file in passwd group hosts nsswitch.conf resolv.conf hostname; do
  [ -e "/etc/$file" ] || continue
  [ -e "$root/etc/$file" ] || : > "$root/etc/$file"
  mount --bind "/etc/$file" "$root/etc/$file"
done
unset INSIDE
export CONDOR_CONFIG={config}
cd /
exec chroot "$root" "$@"
"""
