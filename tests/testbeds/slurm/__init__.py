"""A private Slurm: controller, two nodes with more CPUs than the machine has, accounting.

    python -m tests.testbeds.slurm up|down|jobs FOLDER [--without-accounting]

starts one, stops it, or lists what it has by job name, independently of the driver.
"""

import getpass
import os
import secrets
import socket
import subprocess
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.testbeds.keeper import Keeper, Kept
from tests.testbeds.packages import SYSTEM_PATH, program, require
from tests.testbeds.slurm.configuration import CGROUP, CONTROL_GROUPS, NODES, Plan, Ports
from tests.testbeds.users import job_user
from worker.domain.pilot import numbered

PACKAGES = (
    "slurm-wlm", "slurm-client", "slurmctld", "slurmd", "slurmdbd", "slurm-wlm-basic-plugins",
    "slurm-wlm-mysql-plugin", "munge", "mariadb-server",
)  # fmt: skip
PROGRAMS = (
    "sbatch", "squeue", "sacct", "scancel", "scontrol", "slurmctld", "slurmd", "slurmdbd",
    "munged", "mariadbd",
)  # fmt: skip
_CARELESS = (
    "--innodb-buffer-pool-size=32M", "--innodb-flush-log-at-trx-commit=0",
    "--innodb-flush-method=nosync", "--innodb-doublewrite=0",
)  # fmt: skip
"""Do not wait for the disk: nobody needs this database after a crash."""
_DATABASE = (
    "CREATE DATABASE IF NOT EXISTS slurm_acct_db",
    "GRANT ALL ON slurm_acct_db.* TO slurm@'127.0.0.1' IDENTIFIED BY 'slurm'",
    "GRANT ALL ON slurm_acct_db.* TO slurm@localhost IDENTIFIED BY 'slurm'",
)
QUOTA = 5
"""The highest number of jobs of a user under the QOS small."""


@dataclass(frozen=True, kw_only=True)
class Slurm:
    """A private Slurm that runs."""

    kept: Kept
    configuration: Path

    @property
    def nodes(self) -> list[str]:
        """The names of its nodes."""
        return [str(node) for node in self.kept.facts()["nodes"]]

    @property
    def limits_memory(self) -> bool:
        """Whether Slurm ends a job that uses too much memory, and reports that."""
        return bool(self.kept.facts()["limits_memory"])

    @property
    def environment(self) -> dict[str, str]:
        """The environment for the programs of Slurm."""
        return {**os.environ, "PATH": SYSTEM_PATH, "SLURM_CONF": str(self.configuration)}

    def call(self, *words: str, said: str = "") -> str:
        """Run a program of Slurm; return its output."""
        result = subprocess.run(
            words, check=False, capture_output=True, text=True, env=self.environment, input=said
        )
        assert result.returncode == 0, f"{words}: {result.stdout}{result.stderr}"
        return result.stdout

    def attempt(self, *words: str) -> bool:
        """Run a program of Slurm; return whether it succeeds."""
        quiet = subprocess.DEVNULL
        return not subprocess.run(
            words, check=False, stdin=quiet, stdout=quiet, stderr=quiet, env=self.environment
        ).returncode

    def jobs(self, prefix: str, states: str = "all") -> dict[str, list[str]]:
        """Return the jobs with this prefix by stamp, without the driver."""
        by_stamp = defaultdict(list)
        for line in self.call("squeue", "-h", "-a", "-r", "-t", states, "-o", "%i %j").splitlines():
            handle, _, name = line.partition(" ")
            if name.startswith(f"{prefix}-") and "_" in handle:
                group = name.removeprefix(f"{prefix}-")
                by_stamp[numbered(group, int(handle.partition("_")[2]))].append(handle)
        return dict(by_stamp)

    def jobs_ever(self, prefix: str) -> dict[str, set[str]]:
        """Return the same with the jobs that are only in the accounting."""
        by_stamp = {stamp: set(handles) for stamp, handles in self.jobs(prefix).items()}
        words = ["sacct", "-X", "-n", "-P", "-a", "-S", "now-7days", "-o", "JobID,JobName"]
        for line in self.call(*words).splitlines():
            handle, _, name = line.partition("|")
            group = name.removeprefix(f"{prefix}-")
            if group != name and handle.partition("_")[2].isdigit():
                stamp = numbered(group, int(handle.partition("_")[2]))
                by_stamp.setdefault(stamp, set()).add(handle)
        return by_stamp

    def pid(self, daemon: str) -> int:
        """Return the process of a daemon."""
        return self.kept.pid(daemon)

    def down(self) -> None:
        """Stop Slurm."""
        self.kept.down()


def up(folder: Path, *, accounting: bool = True, with_parent: bool = False, **more: Any) -> Slurm:
    """Start a private Slurm in a folder, unless it runs there already."""
    programs = (
        PROGRAMS if accounting else [p for p in PROGRAMS if p not in ("slurmdbd", "mariadbd")]
    )
    require(programs, PACKAGES)
    kept = Kept(folder.resolve())
    settings = [f"{name}={value}" for name, value in more.items()]
    arguments = [f"accounting={int(accounting)}", *settings]
    kept.up("tests.testbeds.slurm", *arguments, with_parent=with_parent)
    return Slurm(kept=kept, configuration=kept.folder / "slurm.conf")


def start(keeper: Keeper, arguments: Sequence[str]) -> dict[str, Any]:
    """Start the services, each after the services that it needs."""
    settings = {name: int(value) for name, _, value in (word.partition("=") for word in arguments)}
    plan = Plan(
        folder=keeper.folder,
        ports=_free_ports(),
        accounting=bool(settings.pop("accounting")),
        **settings,
    )
    os.environ["PATH"] = SYSTEM_PATH
    os.environ["SLURM_CONF"] = str(plan.folder / "slurm.conf")
    for name in ("run", "munge", "spool/controller", *(f"spool/{node}" for node in plan.nodes)):
        (plan.folder / name).mkdir(parents=True, exist_ok=True)
    (plan.folder / "slurm.conf").write_text(plan.slurm())
    if plan.limits_memory:
        (plan.folder / "cgroup.conf").write_text(CGROUP)
        keeper.afterwards.append(lambda: _remove_control_groups(plan))
    _start_munge(keeper, plan)
    if plan.accounting:
        _start_accounting(keeper, plan)
    _start_cluster(keeper, plan)
    return {"nodes": plan.nodes, "limits_memory": plan.limits_memory}


def _start_munge(keeper: Keeper, plan: Plan) -> None:
    folder = plan.folder / "munge"
    folder.chmod(0o711)
    (folder / "key").touch(mode=0o600)
    (folder / "key").write_bytes(secrets.token_bytes(1024))
    files = {
        "key-file": folder / "key",
        "socket": plan.munge_socket,
        "pid-file": folder / "pid",
        "seed-file": folder / "seed",
        "log-file": plan.folder / "log" / "munged.log",
    }
    words = [f"--{name}={path}" for name, path in files.items()]
    keeper.start("munged", [program("munged"), "--foreground", "--force", *words])
    keeper.wait(
        "munge",
        lambda: keeper.succeeds(["munge", "-n", "-S", str(plan.munge_socket)]),
    )


def _start_accounting(keeper: Keeper, plan: Plan) -> None:
    data = plan.folder / "database"
    user = getpass.getuser()
    own = ["--no-defaults", f"--user={user}", f"--datadir={data}", *_CARELESS]
    if not data.exists():
        keeper.run(["mariadb-install-db", *own, "--skip-test-db"])
    keeper.start(
        "mariadbd",
        [
            program("mariadbd"),
            *own,
            f"--socket={plan.database_socket}",
            "--bind-address=127.0.0.1",
            f"--port={plan.ports.database}",
            f"--pid-file={plan.folder}/run/mariadb.pid",
            "--innodb-lock-wait-timeout=900",
            "--skip-log-bin",
        ],
    )
    client = ["mariadb", "--no-defaults", f"--user={user}", f"--socket={plan.database_socket}"]
    keeper.wait("MariaDB", lambda: keeper.succeeds([*client, "-e", "SELECT 1"]))
    keeper.run(
        [
            *client,
            "-e",
            ";".join(_DATABASE),
        ]
    )
    daemon = plan.folder / "slurmdbd.conf"
    daemon.touch(mode=0o600)
    daemon.write_text(plan.accounting_daemon())
    keeper.start("slurmdbd", [program("slurmdbd"), "-D"])
    keeper.wait("slurmdbd", lambda: keeper.succeeds(["sacctmgr", "-n", "show", "cluster"]))
    for words in (
        "add cluster testbed",
        "add account pilots",
        f"add qos small set MaxSubmitJobsPerUser={QUOTA}",
        *(f"add user {name} account=pilots qos=normal,small" for name in _users()),
    ):
        keeper.run(["sacctmgr", "--immediate", "--quiet", *words.split()])


def _start_cluster(keeper: Keeper, plan: Plan) -> None:
    keeper.start("slurmctld", [program("slurmctld"), "-D"])
    for node in plan.nodes:
        keeper.start(f"slurmd-{node}", [program("slurmd"), "-D", "-N", node])
    keeper.wait("slurmctld", lambda: keeper.succeeds(["scontrol", "ping"]))
    idle = ["sinfo", "-h", "-N", "-p", "main", "-t", "idle,mix,alloc", "-o", "%N"]
    keeper.wait("the nodes", lambda: len(keeper.run(idle).split()) == NODES)


def _remove_control_groups(plan: Plan) -> None:
    """Remove the control groups of Slurm; each is free soon after its last process."""
    tops = [CONTROL_GROUPS / f"slurm_{node}" for node in plan.nodes]
    give_up = time.monotonic() + 5
    while any(top.exists() for top in tops) and time.monotonic() < give_up:
        for top in tops:
            for folder in sorted((p for p in top.rglob("*") if p.is_dir()), reverse=True):
                with suppress(OSError):
                    folder.rmdir()
            with suppress(OSError):
                top.rmdir()
        time.sleep(0.02)


def _users() -> list[str]:
    return list(dict.fromkeys((getpass.getuser(), job_user())))


def _free_ports() -> Ports:
    """Return ports of the loopback that are free now."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(3 + NODES)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        controller, accounting, database, *nodes = [probe.getsockname()[1] for probe in probes]
    return Ports(
        controller=controller, accounting=accounting, database=database, nodes=tuple(nodes)
    )
