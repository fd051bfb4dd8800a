"""The simulator: a complete world of jobs in tables of its own."""

from pathlib import Path

from worker.backends.contract import Backend, Driver, Means
from worker.backends.sim.memory import metadata
from worker.backends.sim.options import SimOptions
from worker.db.chains import Chain
from worker.domain.ce import CE


def _driver(ce: CE, options: SimOptions, means: Means) -> Driver:
    # Most commands speak to no CE: the driver is imported by those that do.
    from worker.backends.sim.driver import SimDriver

    return SimDriver(ce, options, means)


BACKEND = Backend(
    name="sim",
    about="A simulated CE, for trying things out and for tests.",
    options=SimOptions,
    driver=_driver,
    chain=Chain(
        name="sim",
        tables=("sim_jobs", "sim_faults"),
        metadata=metadata,
        folder=Path(__file__).parent / "migrations",
    ),
)
