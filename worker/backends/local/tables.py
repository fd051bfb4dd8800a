"""The processes that were started here. A row goes with its pilot."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

from worker.db.tables import NAMING, pilots

metadata = MetaData(naming_convention=NAMING)

local_processes = Table(
    "local_processes",
    metadata,
    Column("pilot_id", ForeignKey(pilots.c.id, ondelete="CASCADE"), primary_key=True),
    Column("host", String(255), nullable=False),
    Column("boot_id", String(36), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_ticks", BigInteger, nullable=False),
    Column("folder", Text, nullable=False),
    comment="pid, start time and boot id tell a process from a later one of the same pid.",
)
