"""The back-end slurm: pilots are elements of job arrays. Slurm's programs run here or over SSH."""

from pathlib import Path

from worker.backends.contract import Backend
from worker.backends.slurm.memory import metadata
from worker.backends.slurm.options import SlurmOptions
from worker.db.chains import Chain
from worker.plugins import on_first_use

BACKEND = Backend(
    name="slurm",
    about="Jobs of a Slurm cluster, by its own programs, here or on a login node.",
    options=SlurmOptions,
    gives_secrets=True,
    driver=on_first_use("worker.backends.slurm.driver", "SlurmDriver"),
    chain=Chain(
        name="slurm",
        tables=("slurm_clusters", "slurm_cancellations"),
        metadata=metadata,
        folder=Path(__file__).parent / "migrations",
    ),
)
