"""Pilots as elements of job arrays of a Slurm cluster, reached here or over SSH."""

from pathlib import Path

from worker.backends.contract import Backend, Driver, Means
from worker.backends.slurm.memory import metadata
from worker.backends.slurm.options import SlurmOptions
from worker.db.chains import Chain
from worker.domain.ce import CE


def _driver(ce: CE, options: SlurmOptions, means: Means) -> Driver:
    # Most commands speak to no CE: the driver is imported by those that do.
    from worker.backends.slurm.driver import SlurmDriver

    return SlurmDriver(ce, options, means)


BACKEND = Backend(
    name="slurm",
    about="Jobs of a Slurm cluster, by its own programs, here or on a login node.",
    options=SlurmOptions,
    driver=_driver,
    chain=Chain(
        name="slurm",
        tables=("slurm_clusters", "slurm_cancellations"),
        metadata=metadata,
        folder=Path(__file__).parent / "migrations",
    ),
)
