"""Pilots as processes of this host."""

from pathlib import Path

from worker.backends.contract import Backend
from worker.backends.local.driver import LocalDriver
from worker.backends.local.options import LocalOptions
from worker.backends.local.tables import metadata
from worker.db.chains import Chain

BACKEND = Backend(
    name="local",
    about="Processes of this host.",
    options=LocalOptions,
    driver=LocalDriver,
    chain=Chain(
        name="local",
        tables=("local_hosts",),
        metadata=metadata,
        folder=Path(__file__).parent / "migrations",
    ),
)
