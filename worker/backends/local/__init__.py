"""Pilots as processes of this host.

They outlive the worker that started them. A service manager that ends a worker with all that it
ever started, as systemd does unless its unit says `KillMode=process`, ends them too.
"""

from pathlib import Path

from worker.backends.contract import Backend, Driver, Means
from worker.backends.local.memory import metadata
from worker.backends.local.options import LocalOptions
from worker.db.chains import Chain
from worker.domain.ce import CE


def _driver(ce: CE, options: LocalOptions, means: Means) -> Driver:
    # Most commands speak to no CE: the driver is imported by those that do.
    from worker.backends.local.driver import LocalDriver

    return LocalDriver(ce, options, means)


BACKEND = Backend(
    name="local",
    about="Processes of this host.",
    options=LocalOptions,
    driver=_driver,
    chain=Chain(
        name="local",
        tables=("local_hosts",),
        metadata=metadata,
        folder=Path(__file__).parent / "migrations",
    ),
)
