"""Events wait until the receiver of the webhook took them."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
KINDS = (
    *("test", "ce_paused", "ce_resumed", "credential_ends_soon", "credential_expired"),
    *("credential_unusable", "credential_renewed", "credential_not_renewed"),
    *("standstill_began", "standstill_ended"),
)


def upgrade() -> None:
    """Make the change."""
    kind = sa.Enum(*KINDS, name="kind", native_enum=False, create_constraint=True, length=32)
    op.create_table(
        "webhook_events",
        sa.Column("id", KEY, nullable=False),
        sa.Column("event_id", sa.String(32), nullable=False),
        sa.Column("kind", kind, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_at", MOMENT),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_webhook_events_attempts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_events")),
        sa.UniqueConstraint("event_id", name=op.f("uq_webhook_events_event_id")),
        comment="Events that the receiver of the webhook has not taken yet.",
    )
    op.create_table(
        "standstills",
        sa.Column("queue", sa.String(128), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("queue", name=op.f("pk_standstills")),
        comment="The queues of which an event said that no worker does their tasks.",
    )


def downgrade() -> None:
    """Take it back. Events that wait are dropped."""
    op.drop_table("standstills")
    op.drop_table("webhook_events")
