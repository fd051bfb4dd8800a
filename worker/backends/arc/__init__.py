"""The back-end arc: pilots are jobs of an ARC CE, by its REST interface (ARC 6: 1.0, ARC 7: 1.1).

The name of a job has the prefix of this installation, the stamp and the CE. A script of common size
is not uploaded: the job's description contains it, so no job can be left at the CE that waits for
its files. A script that is very long, or that holds a pilot's secret, is uploaded.
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
