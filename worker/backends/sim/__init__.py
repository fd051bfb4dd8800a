"""The back-end sim: a simulated CE, with a complete world of jobs in tables of its own."""

from pathlib import Path

from worker.backends.contract import Backend
from worker.backends.sim.memory import metadata
from worker.backends.sim.options import SimOptions
from worker.db.chains import Chain
from worker.plugins import on_first_use

BACKEND = Backend(
    name="sim",
    about="A simulated CE, for trying things out and for tests.",
    options=SimOptions,
    driver=on_first_use("worker.backends.sim.driver", "SimDriver"),
    chain=Chain(
        name="sim",
        tables=("sim_jobs", "sim_faults"),
        metadata=metadata,
        folder=Path(__file__).parent / "migrations",
    ),
)
