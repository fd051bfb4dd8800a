"""A back-end from outside Pilotage: pilots as jobs of a tiny batch system."""

from pathlib import Path

from worker.backends.contract import Backend
from worker.db.chains import Chain

from .driver import TinyDriver, TinyOptions
from .memory import metadata

BACKEND = Backend(
    name="tiny",
    about="Jobs of a tiny batch system.",
    options=TinyOptions,
    driver=TinyDriver,
    chain=Chain(
        name="tiny",
        tables=("tiny_letters", "tiny_stamps"),
        metadata=metadata,
        folder=Path(__file__).parent / "migrations",
    ),
)
