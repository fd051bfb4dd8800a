"""Pilots as jobs of HTCondor: of a schedd on this host, in this pool, or behind an HTCondor-CE."""

from pathlib import Path

from worker.backends.contract import Backend, Driver, Means
from worker.backends.htcondor.memory import metadata
from worker.backends.htcondor.options import HTCondorOptions
from worker.db.chains import Chain
from worker.domain.ce import CE


def _driver(ce: CE, options: HTCondorOptions, means: Means) -> Driver:
    # Most commands speak to no CE: the driver is imported by those that do.
    from worker.backends.htcondor.driver import HTCondorDriver

    return HTCondorDriver(ce, options, means)


BACKEND = Backend(
    name="htcondor",
    about="Jobs of an HTCondor schedd, or of an HTCondor-CE.",
    options=HTCondorOptions,
    driver=_driver,
    chain=Chain(
        name="htcondor",
        tables=("htcondor_marks",),
        metadata=metadata,
        folder=Path(__file__).parent / "migrations",
    ),
)
