"""The configuration files of a private Slurm."""

import getpass
import os
import socket
from dataclasses import dataclass
from pathlib import Path

NODES = 2
CPUS = 50
"""CPUs of each node. They are more than the machine has, because pilots sleep."""
CONTROL_GROUPS = Path("/sys/fs/cgroup/memory")
CGROUP = "CgroupPlugin=cgroup/v1\nCgroupAutomount=yes\nConstrainRAMSpace=yes\n"
_QUICK = ("bf_interval=2", "sched_interval=2", "sched_min_interval=50000", "batch_sched_delay=0")
"""Let jobs start as soon as possible."""


@dataclass(frozen=True, kw_only=True)
class Ports:
    """The ports of the services, on the loopback only."""

    controller: int
    accounting: int
    database: int
    nodes: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A private Slurm: its folder, its ports and its features."""

    folder: Path
    ports: Ports
    accounting: bool = True
    forget_after: int = 300
    array_size: int = 1001

    @property
    def nodes(self) -> list[str]:
        """The names of the nodes; those of every testbed are different."""
        return [f"n{port}" for port in self.ports.nodes]

    @property
    def limits_memory(self) -> bool:
        """Whether the kernel ends a process that uses too much memory, by control groups."""
        return os.geteuid() == 0 and os.access(CONTROL_GROUPS, os.W_OK)

    @property
    def munge_socket(self) -> Path:
        """The socket of its own munge, apart from the munge of the machine."""
        return self.folder / "munge" / "socket"

    @property
    def database_socket(self) -> Path:
        """The socket of its own MariaDB."""
        return self.folder / "database.socket"

    def slurm(self) -> str:
        """Return the text of slurm.conf."""
        user, host = getpass.getuser(), socket.gethostname().partition(".")[0]
        name, ports = ",".join(self.nodes), ",".join(map(str, self.ports.nodes))
        size = f"Port=[{ports}] CPUs={CPUS} RealMemory=100000 State=UNKNOWN"
        lines = [
            "ClusterName=testbed",
            f"SlurmctldHost={host}(127.0.0.1)",
            f"SlurmctldPort={self.ports.controller}",
            f"SlurmUser={user}",
            f"SlurmdUser={user}",
            f"AuthInfo=socket={self.munge_socket}",
            "CommunicationParameters=NoInAddrAny,NoCtldInAddrAny",
            f"StateSaveLocation={self.folder}/spool/controller",
            f"SlurmdSpoolDir={self.folder}/spool/%n",
            f"SlurmctldPidFile={self.folder}/run/slurmctld.pid",
            f"SlurmdPidFile={self.folder}/run/slurmd-%n.pid",
            f"SlurmctldLogFile={self.folder}/log/slurmctld.log",
            f"SlurmdLogFile={self.folder}/log/slurmd-%n.log",
            "ProctrackType=proctrack/linuxproc",
            f"TaskPlugin=task/{'cgroup' if self.limits_memory else 'none'}",
            "SwitchType=switch/none",
            "MpiDefault=none",
            "ReturnToService=2",
            "InactiveLimit=0",
            "KillWait=2",
            "Waittime=0",
            "MessageTimeout=10",
            "OverTimeLimit=0",
            f"MinJobAge={self.forget_after}",
            "MaxJobCount=100000",
            f"MaxArraySize={self.array_size}",
            "SchedulerType=sched/backfill",
            f"SchedulerParameters={','.join(_QUICK)}",
            "SelectType=select/cons_tres",
            "SelectTypeParameters=CR_CPU_Memory",
            "DefMemPerCPU=10",
            "FirstJobId=1",
            *self._accounting(),
            "SlurmdParameters=config_overrides",
            f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 {size}",
            "PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP",
            "PartitionName=other Nodes=ALL MaxTime=INFINITE State=UP",
            "PartitionName=closed Nodes=ALL MaxTime=INFINITE State=DOWN",
        ]
        return "\n".join(lines) + "\n"

    def accounting_daemon(self) -> str:
        """Return the text of slurmdbd.conf."""
        lines = [
            f"AuthInfo=socket={self.munge_socket}",
            "DbdHost=localhost",
            "DbdAddr=127.0.0.1",
            f"DbdPort={self.ports.accounting}",
            f"SlurmUser={getpass.getuser()}",
            f"LogFile={self.folder}/log/slurmdbd.log",
            f"PidFile={self.folder}/run/slurmdbd.pid",
            "StorageType=accounting_storage/mysql",
            "StorageHost=127.0.0.1",
            f"StoragePort={self.ports.database}",
            "StorageUser=slurm",
            "StoragePass=slurm",
        ]
        return "\n".join(lines) + "\n"

    def _accounting(self) -> list[str]:
        if not self.accounting:
            return ["AccountingStorageType=accounting_storage/none", "JobCompType=jobcomp/none"]
        return [
            "AccountingStorageType=accounting_storage/slurmdbd",
            "AccountingStorageHost=127.0.0.1",
            f"AccountingStoragePort={self.ports.accounting}",
            f"AccountingStoragePass={self.munge_socket}",
            "AccountingStorageEnforce=associations,limits,qos",
            "AccountingStoreFlags=job_comment",
        ]
