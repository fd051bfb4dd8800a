"""What is remembered of ARC CEs.

`arc_jobs` saves asking: which job carries which stamp is asked once, when the CE shows a job that
is not here. No row of it is needed to know what became of a pilot. `arc_identities` says under
whose name pilots were sent: to another identity the CE shows none of them, and that must not be
taken for their absence. A row outlives its CE.
"""

from sqlalchemy import Column, Index, MetaData, String, Table, Text

from worker.db.tables import NAMING
from worker.db.types import UtcDateTime

metadata = MetaData(naming_convention=NAMING)

arc_identities = Table(
    "arc_identities",
    metadata,
    Column("ce", String(128), primary_key=True),
    Column("vo", String(128), primary_key=True),
    Column("owner", Text, primary_key=True),
    Column("used_at", UtcDateTime(), nullable=False),
    Column("delegation", String(128)),
    Column("delegated_until", UtcDateTime()),
    comment="Under whose name the pilots of a VO were sent to a CE, and the proxy it holds of it.",
)

arc_jobs = Table(
    "arc_jobs",
    metadata,
    Column("ce", String(128), primary_key=True),
    Column("job", String(128), primary_key=True),
    Column("stamp", String(32)),
    Column("owner", Text, nullable=False),
    Column("running_at", UtcDateTime()),
    Column("started_at", UtcDateTime()),
    Column("ended_at", UtcDateTime()),
    Index("ix_arc_jobs_ce_ended_at", "ce", "ended_at"),
    comment="What was learnt of the jobs at a CE; one without a stamp is not ours.",
)
