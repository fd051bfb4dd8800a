"""The back-end htcondor: pilots are jobs of a schedd here, in a pool, or of an HTCondor-CE."""

from pathlib import Path

from worker.backends.contract import Backend
from worker.backends.htcondor.memory import metadata
from worker.backends.htcondor.options import HTCondorOptions
from worker.db.chains import Chain
from worker.plugins import on_first_use

BACKEND = Backend(
    name="htcondor",
    about="Jobs of an HTCondor schedd, or of an HTCondor-CE.",
    options=HTCondorOptions,
    gives_secrets=True,
    driver=on_first_use("worker.backends.htcondor.driver", "HTCondorDriver"),
    chain=Chain(
        name="htcondor",
        tables=("htcondor_marks",),
        metadata=metadata,
        folder=Path(__file__).parent / "migrations",
    ),
)
