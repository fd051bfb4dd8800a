"""The simulated world: its jobs, and the faults that are switched on.

The world of a CE outlives the pilots that Pilotage knows of it, so nothing here points at the
core's tables: a job whose pilot was never recorded must still exist.
"""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Float,
    Identity,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    func,
    text,
)

from worker.db.tables import NAMING
from worker.db.types import JSON_VALUE, KEY, UtcDateTime

metadata = MetaData(naming_convention=NAMING)

sim_jobs = Table(
    "sim_jobs",
    metadata,
    Column("id", KEY, Identity(), primary_key=True),
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
    Column("ends_at", UtcDateTime()),
    Column("fate", String(16), nullable=False),
    Column("exit_code", Integer),
    Column("cancelled_at", UtcDateTime()),
    Column("forgotten", Boolean, nullable=False, server_default=text("false")),
    Column("output", Text),
    Index("ix_sim_jobs_ce_id", "ce", "id"),
    Index("ix_sim_jobs_ce_stamp", "ce", "stamp"),
    comment="Every job that a simulated CE accepted.",
)

sim_faults = Table(
    "sim_faults",
    metadata,
    Column("ce", String(128), primary_key=True),
    Column("fault", String(32), primary_key=True),
    Column("rate", Float, nullable=False, server_default=text("1")),
    Column("settings", JSON_VALUE, nullable=False),
    Column("until", UtcDateTime()),
    CheckConstraint("rate >= 0 AND rate <= 1", name="rate"),
    comment="What is wrong with a simulated CE just now.",
)
