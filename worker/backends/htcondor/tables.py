"""How far back the history of each CE has been read.

A schedd's history has no index: a question reads it backwards, from its newest record. The
mark says where to stop. It is never newer than the last listing but one, and a question that
leaves something open is asked again without it; so a mark that is lost or wrong costs time only.
"""

from sqlalchemy import Column, MetaData, String, Table

from worker.db.tables import NAMING
from worker.db.types import UtcDateTime

metadata = MetaData(naming_convention=NAMING)

htcondor_marks = Table(
    "htcondor_marks",
    metadata,
    Column("ce", String(128), primary_key=True),
    Column("job", String(64)),
    Column("next_job", String(64), nullable=False),
    Column("next_at", UtcDateTime(), nullable=False),
    comment="The record at which reading a CE's history backwards may stop, and the next such.",
)
