"""Pilots say what they do, and a VO may say for how long they may be idle."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
STATES = ("busy", "idle", "ending")


def upgrade() -> None:
    """Make the change."""
    state = sa.Enum(*STATES, name="state", native_enum=False, create_constraint=True, length=16)
    op.create_table(
        "pilot_reports",
        sa.Column("pilot_id", KEY, nullable=False),
        sa.Column("state", state),
        sa.Column("payloads", sa.Integer()),
        sa.Column("reason", sa.String(200)),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("idle_since", MOMENT),
        sa.CheckConstraint("payloads >= 0", name=op.f("ck_pilot_reports_payloads")),
        sa.CheckConstraint(
            "idle_since IS NULL OR state = 'idle'", name=op.f("ck_pilot_reports_idle")
        ),
        sa.ForeignKeyConstraint(
            ["pilot_id"],
            ["pilots.id"],
            name=op.f("fk_pilot_reports_pilot_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("pilot_id", name=op.f("pk_pilot_reports")),
        postgresql_with={"fillfactor": 50},
        comment="What each pilot said of itself last.",
    )
    with op.batch_alter_table("vos") as changed:
        changed.add_column(sa.Column("idle_at_most", sa.Integer(), nullable=True))
        changed.create_check_constraint(op.f("ck_vos_idle_at_most"), "idle_at_most > 0")


def downgrade() -> None:
    """Take it back. What pilots said is dropped; no status depends on it."""
    with op.batch_alter_table("vos") as changed:
        changed.drop_constraint(op.f("ck_vos_idle_at_most"), type_="check")
        changed.drop_column("idle_at_most")
    op.drop_table("pilot_reports")
