"""Decisions: why each CE got how many pilots for a VO in each cycle."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)

from worker.db.tables.common import id_key, metadata
from worker.db.tables.places import ces, vos
from worker.db.types import KEY, UtcDateTime

ce_lists = Table(
    "ce_lists",
    metadata,
    id_key(),
    Column("digest", LargeBinary, nullable=False),
    Column("places", Integer, nullable=False),
    comment="The CEs of a cycle, in their order. Most cycles have the same.",
)

ce_list_places = Table(
    "ce_list_places",
    metadata,
    Column("list_id", ForeignKey(ce_lists.c.id, ondelete="CASCADE"), primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("ce_id", ForeignKey(ces.c.id, ondelete="CASCADE"), nullable=False),
    Index("ix_ce_list_places_ce_id", "ce_id", "list_id"),
    comment="The place of a CE in a list. It goes with the CE, and what was decided about it.",
)

decision_bases = Table(
    "decision_bases",
    metadata,
    id_key(),
    Column("list_id", ForeignKey(ce_lists.c.id, ondelete="CASCADE"), nullable=False),
    Column("at", UtcDateTime(), nullable=False),
    Column("cells", LargeBinary, nullable=False),
    Index("ix_decision_bases_list_id_at", "list_id", "at"),
    Index("ix_decision_bases_at", "at"),
    comment="The decisions of one cycle as a whole; those of the cycles just after are changes"
    " to it.",
)

decisions = Table(
    "decisions",
    metadata,
    id_key(),
    Column("vo_id", ForeignKey(vos.c.id, ondelete="CASCADE"), nullable=False),
    Column("list_id", KEY, nullable=False),  # the same as that of its base; here for the index
    Column("base_id", ForeignKey(decision_bases.c.id, ondelete="CASCADE"), nullable=False),
    Column("at", UtcDateTime(), nullable=False),
    Column("until", UtcDateTime(), nullable=False),
    Column("ticks", Integer, nullable=False),
    Column("gaps", Text, nullable=False, server_default=text("''")),
    Column("granted", Integer, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("cells", LargeBinary, nullable=False),
    CheckConstraint("granted >= 0", name="granted"),
    CheckConstraint("ticks >= 1 AND at <= until", name="ticks"),
    Index("ix_decisions_vo_id_list_id_at", "vo_id", "list_id", "at"),
    Index("ix_decisions_base_id", "base_id"),
    Index("ix_decisions_until_id", "until", "id"),
    comment="Why each CE got so many pilots for a VO in one cycle, or none. Cycles that decided"
    " the same one after the other are one row; gaps are the microseconds between them.",
)
