"""CEs of a real Slurm."""

from collections.abc import Mapping
from typing import Any

from tests.backends.planting import plant_slurm
from tests.chaos.sites.batch import BatchSite
from tests.chaos.sites.lying import by_file
from tests.testbeds import slurm
from tests.testbeds.packages import program
from worker.db.database import Database

LIVE = "pending,configuring,running,suspended,completing"
PREFIX = "pilotage"
KEPT = "kept by pilots"
END = f"/{PREFIX}/${{PILOTAGE_STAMP%????????}}/$PILOTAGE_STAMP.end"
"""Where the script of a pilot writes its end."""


class SlurmSite(BatchSite):
    """All CEs are the one partition of a private Slurm."""

    backend = "slurm"

    def start(self, database: Database) -> Mapping[str, Any]:
        """Start it, with a stand-in for sbatch."""
        self.slurm = slurm.up(self.folder / "slurm", with_parent=True)
        for name in ("squeue", "sacct", "scancel", "scontrol"):
            path = self.spoilable(name, program(name))
            path.unlink()
            path.symlink_to(program(name))
        output = self.folder / KEPT
        output.mkdir()
        output.chmod(0o777)
        return {
            "slurm_conf": str(self.slurm.configuration),
            "programs": str(self.spoilable("sbatch", program("sbatch")).parent),
            "output_folder": str(output),
            "requeue": False,
        }

    def lying(self) -> str:
        """A pilot can write the file with its end."""
        end = f"'{self.folder / KEPT}'{END}"
        return by_file(self.folder, end, lambda path, lie: plant_slurm(path, lie, "1"))

    def daemons(self) -> list[int]:
        """Its controller answers for it."""
        return [self.slurm.pid("slurmctld")]

    def going_on(self) -> set[str]:
        """Ask for the queue."""
        return set(self.slurm.jobs(PREFIX, LIVE))

    def ever(self) -> Mapping[str, int]:
        """Ask for the queue and the accounting."""
        return {stamp: len(handles) for stamp, handles in self.slurm.jobs_ever(PREFIX).items()}

    def kill(self, stamps: list[str]) -> None:
        """Cancel running jobs only. Slurm keeps no record of a waiting element of an array, so its
        pilot would be lost only after ten minutes, which is longer than a run settles.
        """
        there = self.slurm.jobs(PREFIX, "running")
        handles = [handle for stamp in stamps for handle in there.get(stamp, [])]
        if handles:
            self.slurm.attempt("scancel", *handles)

    def end(self) -> None:
        """Stop it."""
        self.slurm.down()
