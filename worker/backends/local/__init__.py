"""Pilots as processes of this host.

They outlive the worker that started them. A service manager that ends a worker with all that it
ever started, as systemd does unless its unit says `KillMode=process`, ends them too.
"""

from pathlib import Path

from worker.backends.contract import Backend
from worker.backends.local.memory import metadata
from worker.backends.local.options import LocalOptions
from worker.db.chains import Chain
from worker.plugins import on_first_use

BACKEND = Backend(
    name="local",
    about="Processes of this host.",
    options=LocalOptions,
    gives_secrets=True,
    driver=on_first_use("worker.backends.local.driver", "LocalDriver"),
    chain=Chain(
        name="local",
        tables=("local_hosts",),
        metadata=metadata,
        folder=Path(__file__).parent / "migrations",
    ),
)
