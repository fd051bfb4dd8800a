"""CEs of a real HTCondor."""

import os
from collections import Counter
from collections.abc import Mapping
from typing import Any

from tests.chaos.sites.batch import BatchSite
from tests.testbeds import condor
from tests.testbeds.condor.configuration import SCHEDD
from worker.db.database import Database

PREFIX = "pilotage"
OURS = f'substr(PilotageInstance, 0, {len(PREFIX) + 1}) == "{PREFIX}/"'


class HTCondorSite(BatchSite):
    """All CEs are the one schedd of a private pool."""

    backend = "htcondor"

    def start(self, database: Database) -> Mapping[str, Any]:
        """Start it, with a stand-in for condor_submit."""
        # Another user may write the files of a job.
        os.umask(0)
        self.pool = condor.up(self.folder / "condor", slots=32, with_parent=True)
        for tool in self.pool.programs.iterdir():
            path = self.spoilable(tool.name, str(tool))
            if tool.name != "condor_submit":
                path.unlink()
                path.symlink_to(tool)
        return {
            "schedd": SCHEDD,
            "config": str(self.pool.client),
            "programs": str(self.folder / "spoilable"),
            "output_folder": str(self.pool.kept.folder / "output"),
            "memory": 64,
            "disk": 10,
            "visibility_delay": 2,
        }

    def daemons(self) -> list[int]:
        """Its schedd answers for it."""
        return [self.pool.pid("condor_schedd")]

    def going_on(self) -> set[str]:
        """Ask for the queue."""
        return set(self.pool.jobs(PREFIX))

    def ever(self) -> Mapping[str, int]:
        """Ask for the queue and the history; a job that just ends may be in both."""
        ads = [*self.pool.queue(OURS), *self.pool.recorded(OURS)]
        jobs = {(ad["ClusterId"], ad["ProcId"]): ad["PilotageStamp"] for ad in ads}
        return Counter(jobs.values())

    def kill(self, stamps: list[str]) -> None:
        """Have jobs removed."""
        constraint = " || ".join(f'PilotageStamp == "{stamp}"' for stamp in stamps)
        self.pool.attempt("rm", "-name", SCHEDD, "-constraint", constraint)

    def end(self) -> None:
        """Stop it."""
        condor.remove(self.pool.kept.folder)
