"""What is remembered of each cluster: when it was listed, and what it was asked to cancel.

Slurm keeps no record at all of an element of an array that is cancelled before it has started:
it is in no list and in no history. Only that we asked tells it from a job that was lost.
"""

from sqlalchemy import Column, Integer, MetaData, String, Table

from worker.db.tables import NAMING
from worker.db.types import UtcDateTime

metadata = MetaData(naming_convention=NAMING)

slurm_clusters = Table(
    "slurm_clusters",
    metadata,
    Column("ce", String(128), primary_key=True),
    Column("history_from", UtcDateTime()),
    Column("history_next", UtcDateTime()),
    Column("history_uses", Integer, nullable=False, server_default="0"),
    Column("listed_at", UtcDateTime()),
    Column("tidied_at", UtcDateTime()),
    comment="When each cluster was listed and tidied, and how far back its history is listed.",
)

slurm_cancellations = Table(
    "slurm_cancellations",
    metadata,
    Column("ce", String(128), primary_key=True),
    Column("stamp", String(32), primary_key=True),
    Column("asked_at", UtcDateTime(), nullable=False),
    comment="The pilots that a cluster was asked to cancel; of some it keeps no record itself.",
)
