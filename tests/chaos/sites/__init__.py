"""The kinds of CE that a run can torment, by name."""

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.chaos.sites.arc import ArcSite
from tests.chaos.sites.htcondor import HTCondorSite
from tests.chaos.sites.local import LocalSite
from tests.chaos.sites.sim import CrowdSite, SimSite, SmallSite
from tests.chaos.sites.slurm import SlurmSite
from tests.chaos.world import Site
from worker.db.database import Database

SITES: Mapping[str, Callable[[Path, Path, Database], Site]] = {
    "local": LocalSite,
    "sim": SimSite,
    "crowd": CrowdSite,
    "small": SmallSite,
    "slurm": SlurmSite,
    "arc": ArcSite,
    "htcondor": HTCondorSite,
}
"""Each is made from the folder of the run, the state folder and the database."""
