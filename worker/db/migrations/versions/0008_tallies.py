"""Counts and tallies are kept beside the pilots."""

import sqlalchemy as sa
from alembic import op

from worker.db import tally_triggers

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
STATUSES = (
    *("reserved", "submitting", "submitted", "running"),
    *("done", "failed", "cancelled", "lost"),
)


def upgrade() -> None:
    """Make the change. What has moved before is counted as it stands, and has no tallies."""
    op.create_table(
        "new_tallies",
        sa.Column("id", KEY, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ce_id", KEY, nullable=False),
        sa.Column("vo_id", KEY, nullable=False),
        *_counted_moves(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_new_tallies")),
        comment="What has moved since the tallies were folded; triggers on pilots write it.",
    )
    op.create_index("ix_new_tallies_ce_id", "new_tallies", ["ce_id"])
    op.create_table(
        "pilot_counts",
        sa.Column("ce_id", KEY, nullable=False),
        sa.Column("vo_id", KEY, nullable=False),
        sa.Column("status", _words("status", STATUSES), nullable=False),
        sa.Column("pilots", sa.Integer(), nullable=False),
        *_places("pilot_counts"),
        sa.PrimaryKeyConstraint("ce_id", "vo_id", "status", name=op.f("pk_pilot_counts")),
        comment="How many pilots there are, without what new_tallies says.",
    )
    op.create_table(
        "tallies",
        sa.Column("grain", _words("grain", ("minute", "hour", "day")), nullable=False),
        sa.Column("begins_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ce_id", KEY, nullable=False),
        sa.Column("vo_id", KEY, nullable=False),
        *_counted_moves(),
        *_places("tallies"),
        sa.PrimaryKeyConstraint(
            *("grain", "begins_at", "ce_id", "vo_id", "was", "became", "cause"),
            name=op.f("pk_tallies"),
        ),
        comment="What has moved in each minute, hour or day; it outlives the pilots.",
    )
    op.execute(
        "INSERT INTO pilot_counts (ce_id, vo_id, status, pilots) "
        "SELECT ce_id, vo_id, status, count(*) FROM pilots GROUP BY ce_id, vo_id, status"
    )
    tally_triggers.install(op.get_bind(), with_use=False)
    _index(["ce_id", "status", "id"])


def downgrade() -> None:
    """Take it back."""
    _index(["ce_id", "status", "vo_id"])
    tally_triggers.remove(op.get_bind())
    for table in ("tallies", "pilot_counts", "new_tallies"):
        op.drop_table(table)


def _index(columns: list[str]) -> None:
    occupying = sa.text("status IN ('reserved', 'submitting', 'submitted', 'running')")
    op.drop_index("ix_pilots_occupying", table_name="pilots")
    op.create_index(
        "ix_pilots_occupying",
        "pilots",
        columns,
        postgresql_where=occupying,
        sqlite_where=occupying,
    )


def _counted_moves() -> list[sa.Column[object]]:
    return [
        *(sa.Column(n, sa.String(16), nullable=False) for n in ("was", "became", "cause")),
        sa.Column("pilots", sa.Integer(), nullable=False),
        sa.Column("starts", sa.Integer(), nullable=False),
        sa.Column("seconds_to_start", sa.Float(), nullable=False),
        sa.Column("seconds_run", sa.Float(), nullable=False),
    ]


def _places(table: str) -> list[sa.ForeignKeyConstraint]:
    return [
        sa.ForeignKeyConstraint(
            [f"{kind}_id"], [f"{kind}s.id"], name=op.f(f"fk_{table}_{kind}_id"), ondelete="CASCADE"
        )
        for kind in ("ce", "vo")
    ]


def _words(name: str, members: tuple[str, ...]) -> sa.Enum:
    return sa.Enum(*members, name=name, native_enum=False, create_constraint=True, length=16)
