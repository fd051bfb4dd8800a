"""Pilots as jobs of an ARC CE, by its REST interface: 1.0 as ARC 6 has it, 1.1 as ARC 7.

The name of a job is the prefix of this installation and the stamp. Nothing is uploaded as long
as what a pilot runs is of a common size: it travels inside the job's description, so no job can
be left at the CE that waits for its files.
"""

from pathlib import Path

from worker.backends.arc.memory import metadata
from worker.backends.arc.options import ArcOptions
from worker.backends.contract import Backend
from worker.db.chains import Chain
from worker.plugins import on_first_use

BACKEND = Backend(
    name="arc",
    about="Jobs of an ARC CE, by its REST interface.",
    options=ArcOptions,
    gives_secrets=True,
    driver=on_first_use("worker.backends.arc.driver", "ArcDriver"),
    chain=Chain(
        name="arc",
        tables=("arc_identities", "arc_jobs"),
        metadata=metadata,
        folder=Path(__file__).parent / "migrations",
    ),
)
