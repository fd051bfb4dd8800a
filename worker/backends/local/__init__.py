"""The back-end local: pilots are processes of this host.

Pilots outlive the worker that started them. But a service manager may end a worker together with
all processes that it ever started, as systemd does unless the unit has `KillMode=process`: that
ends the pilots, too.
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
