"""Which host, and which folder there, keeps the processes of each CE.

The folders are the truth about pilots: they are written by those who know, at the moment, and
survive a record that was never made. One thing they cannot tell: whether a host without a
pilot's folder is the host where it would be. That is what tells "it never arrived" from "ask
elsewhere", so it lies in the database. A row outlives its CE, as the folder does.
"""

from sqlalchemy import Column, MetaData, String, Table, Text, func

from worker.db.tables import NAMING
from worker.db.types import UtcDateTime

metadata = MetaData(naming_convention=NAMING)

local_hosts = Table(
    "local_hosts",
    metadata,
    Column("ce", String(128), primary_key=True),
    Column("folder_id", String(32), nullable=False),
    Column("host", String(255), nullable=False),
    Column("folder", Text, nullable=False),
    Column(
        "claimed_at",
        UtcDateTime(),
        nullable=False,
        server_default=func.current_timestamp(),
    ),
    comment="Where the processes of a CE are. Asked elsewhere, nobody knows anything of them.",
)
