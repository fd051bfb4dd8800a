"""CEs of a real ARC CE."""

import fcntl
import os
import signal
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from tests.chaos.sites.batch import BatchSite
from tests.chaos.world import Act
from tests.runtimes import runtime_on
from tests.testbeds import packages
from tests.testbeds.arc.jobs import jobs, local_pid
from tests.testbeds.arc.keeping import kept
from worker.db.database import Database
from worker.domain.credential import CredentialKind
from worker.domain.values import NewCredential
from worker.services import credentials

OVER = frozenset({"FINISHED", "DELETED"})


class ArcSite(BatchSite):
    """All CEs are one A-REX with its web service."""

    backend = "arc"

    def start(self, database: Database) -> Mapping[str, Any]:
        """Start it, for as long as this process lives; every VO has the same proxy."""
        alive = self.folder / "alive"
        self._alive = alive.open("w")
        fcntl.flock(self._alive, fcntl.LOCK_EX)
        self.arc = kept(self.folder / "arc", alive, "6", may_install=packages.ALLOWED)
        proxy: NewCredential = {
            "backend": "arc",
            "kind": CredentialKind.PROXY,
            "path": self.arc.proxy,
        }
        credentials.add(runtime_on(database), proxy)
        return {"url": self.arc.url, "ca": self.arc.ca, "queue": "fork"}

    def acts(self) -> list[Act]:
        """No program can lose a reply here; a frozen web service does it instead."""
        return [act for act in super().acts() if act.name != "lose replies"]

    def callers(self, children: Iterable[int]) -> dict[int, int | None]:
        """Any of the processes may be calling; this cannot be seen."""
        return dict.fromkeys(children)

    def daemons(self) -> list[int]:
        """Its web service answers for it."""
        return [self.arc.pids["arex-ws"]]

    def going_on(self) -> set[str]:
        """Read the files of A-REX."""
        return {job.stamp for job in jobs(self.arc.control) if job.state not in OVER}

    def ever(self) -> Mapping[str, int]:
        """Read the files of A-REX."""
        return Counter(job.stamp for job in jobs(self.arc.control))

    def kill(self, stamps: list[str]) -> None:
        """Kill the processes of jobs."""
        for job in jobs(self.arc.control):
            pid = local_pid(self.arc.control, job.id) if job.stamp in stamps else None
            if pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def end(self) -> None:
        """Release the lock, so that its keeper stops it."""
        self._alive.close()
