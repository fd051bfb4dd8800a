"""The tables of the tiny back-end; one of them refers to a table of the core."""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Integer, MetaData, String, Table, text

from worker.db.tables import NAMING, pilots
from worker.db.types import KEY

metadata = MetaData(naming_convention=NAMING)

tiny_letters = Table(
    "tiny_letters",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("weight", Integer, nullable=False, server_default=text("1")),
    CheckConstraint("weight > 0", name="weight"),
)

tiny_stamps = Table(
    "tiny_stamps",
    metadata,
    Column("pilot_id", KEY, ForeignKey(pilots.c.id, ondelete="CASCADE"), primary_key=True),
    Column("letter", ForeignKey("tiny_letters.name"), nullable=False),
)
