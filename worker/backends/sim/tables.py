"""The simulated world: its jobs, and the faults that are switched on.

The world of a CE outlives the pilots that Pilotage knows of it, so nothing here points at the
core's tables: a job whose pilot was never recorded must still exist.
"""

from sqlalchemy import (
    CheckConstraint,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    func,
    text,
)

from worker.db.tables import NAMING
from worker.db.types import JSON_VALUE, KEY, UtcDateTime

metadata = MetaData(naming_convention=NAMING)

sim_jobs = Table(
    "sim_jobs",
    metadata,
    Column("id", KEY, primary_key=True),
    Column("ce", String(128), nullable=False),
    Column("stamp", String(32), nullable=False),
    Column("vo", String(128), nullable=False),
    Column(
        "accepted_at",
        UtcDateTime(),
        nullable=False,
        server_default=func.current_timestamp(),
    ),
    Column("visible_at", UtcDateTime(), nullable=False),
    Column("starts_at", UtcDateTime()),
    Column("stopped_at", UtcDateTime()),
    Column("restarts_at", UtcDateTime()),
    Column("ends_at", UtcDateTime()),
    Column("fate", String(16), nullable=False),
    Column("exit_code", Integer),
    Column("forgotten_at", UtcDateTime()),
    Index("ix_sim_jobs_ce_ends_at", "ce", "ends_at"),
    sqlite_autoincrement=True,  # the handle of a forgotten job is never given to another
    comment="Every job that a simulated CE accepted, and its life as it was decided.",
)

sim_faults = Table(
    "sim_faults",
    metadata,
    Column("ce", String(128), primary_key=True),
    Column("fault", String(32), primary_key=True),
    Column("rate", Float, nullable=False, server_default=text("1")),
    Column("settings", JSON_VALUE, nullable=False),
    Column("since", UtcDateTime()),
    Column("until", UtcDateTime()),
    CheckConstraint("rate >= 0 AND rate <= 1", name="rate"),
    comment="What is wrong with a simulated CE, and for how long.",
)
