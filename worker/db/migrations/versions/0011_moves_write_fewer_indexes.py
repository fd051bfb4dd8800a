"""A move writes fewer indexes, and a birth and a claim no history.

On PostgreSQL an update that changes a column of any index, or a word of its condition, writes a new
entry into every index of the table. The status was such a word, so each of the four moves of a
pilot's life wrote up to nine indexes: two thirds of its WAL, 6,570 bytes when pilots move by the
thousand.

- The conditions ask whether a pilot has ended: a claim changes no index any longer.
- One index holds the active pilots of a CE by when they are due, instead of one by their status and
  another by when they are due. Those that the CE has not accepted stand apart, to be claimed.
- Nothing asks for the active pilots of a VO by an index: they are counted (`pilot_counts`).
- The handle of a pilot stands in one index, not in two: in the unique one while the pilot is
  active, in the other one afterwards.
- Half of each page is left free, so that the new form of a pilot stays beside the old one. A pilot
  about doubles in size during its life, so the pages are full in the end. It is said of new pages.

From now on the birth and the claim of a pilot are not written as transitions, for its own row has
their moments. Those that were written stay until their pilots are pruned.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

OCCUPYING = "status IN ('reserved', 'submitting', 'submitted', 'running')"
BEFORE = {
    "ix_pilots_occupying": (["ce_id", "status", "id"], OCCUPYING),
    "ix_pilots_occupying_vo": (["vo_id"], OCCUPYING),
    "ix_pilots_due": (["ce_id", "next_check_at"], "next_check_at IS NOT NULL"),
    "uq_pilots_ce_id_handle": (["ce_id", "handle"], f"handle IS NOT NULL AND {OCCUPYING}"),
    "ix_pilots_handle": (["handle"], "handle IS NOT NULL"),
}
AFTER = {
    "ix_pilots_occupying": (["ce_id", "next_check_at"], "ended_at IS NULL"),
    "ix_pilots_not_accepted": (["ce_id", "id"], "submitted_at IS NULL AND ended_at IS NULL"),
    "uq_pilots_handle_ce_id": (["handle", "ce_id"], "handle IS NOT NULL AND ended_at IS NULL"),
    "ix_pilots_handle": (["handle"], "handle IS NOT NULL AND ended_at IS NOT NULL"),
}


COMMENT_BEFORE = "The history of each pilot. The first has no 'was'."
COMMENT_AFTER = "The history of each pilot; its birth and its claim stand in the pilot itself."


def upgrade() -> None:
    """Make the change."""
    _replace(BEFORE, AFTER)
    op.create_table_comment("transitions", COMMENT_AFTER, existing_comment=COMMENT_BEFORE)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE pilots SET (fillfactor = 50)")


def downgrade() -> None:
    """Take it back. What was not written stays unwritten."""
    _replace(AFTER, BEFORE)
    op.create_table_comment("transitions", COMMENT_BEFORE, existing_comment=COMMENT_AFTER)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE pilots RESET (fillfactor)")


def _replace(old: dict[str, tuple[list[str], str]], new: dict[str, tuple[list[str], str]]) -> None:
    for name in old:
        op.drop_index(name, table_name="pilots")
    for name, (columns, condition) in new.items():
        op.create_index(
            name,
            "pilots",
            columns,
            unique=name.startswith("uq_"),
            postgresql_where=sa.text(condition),
            sqlite_where=sa.text(condition),
        )
