"""What policy, credentials and demand need."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from worker.db import updated_at

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "breaker_changes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("ce_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "was",
            sa.Enum(
                "closed",
                "open",
                "held",
                name="was",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column(
            "became",
            sa.Enum(
                "closed",
                "open",
                "held",
                name="became",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by_hand", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            server_default=sa.text("CURRENT_TIMESTAMP"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["ce_id"], ["ces.id"], name=op.f("fk_breaker_changes_ce_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_breaker_changes")),
        comment="Every pause of a CE and every reopening, with its reason.",
    )
    with op.batch_alter_table("breaker_changes", schema=None) as batch_op:
        batch_op.create_index("ix_breaker_changes_at", ["at"], unique=False)
        batch_op.create_index("ix_breaker_changes_ce_id_id", ["ce_id", "id"], unique=False)

    op.create_table(
        "credentials",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("vo_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("backend", sa.String(length=128), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "proxy",
                "token",
                "key",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column(
            "renew",
            sa.JSON().with_variant(postgresql.ARRAY(sa.Text()), "postgresql"),
            nullable=True,
        ),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("renewed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("CURRENT_TIMESTAMP"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("CURRENT_TIMESTAMP"),
            nullable=False,
        ),
        sa.CheckConstraint("failures >= 0", name=op.f("ck_credentials_failures")),
        sa.ForeignKeyConstraint(
            ["vo_id"], ["vos.id"], name=op.f("fk_credentials_vo_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credentials")),
        comment="Where the credential of a VO for a kind of CE lies; without a VO it is for all.",
    )
    with op.batch_alter_table("credentials", schema=None) as batch_op:
        batch_op.create_index(
            "uq_credentials_backend_kind",
            ["backend", "kind"],
            unique=True,
            postgresql_where=sa.text("vo_id IS NULL"),
            sqlite_where=sa.text("vo_id IS NULL"),
        )
        batch_op.create_index(
            "uq_credentials_vo_id_backend_kind",
            ["vo_id", "backend", "kind"],
            unique=True,
            postgresql_where=sa.text("vo_id IS NOT NULL"),
            sqlite_where=sa.text("vo_id IS NOT NULL"),
        )

    op.create_table(
        "maintenances",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("ce_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("begins_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint("begins_at < ends_at", name=op.f("ck_maintenances_order")),
        sa.ForeignKeyConstraint(
            ["ce_id"], ["ces.id"], name=op.f("fk_maintenances_ce_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_maintenances")),
        comment="When a CE is known to be away.",
    )
    with op.batch_alter_table("maintenances", schema=None) as batch_op:
        batch_op.create_index("ix_maintenances_ce_id_ends_at", ["ce_id", "ends_at"], unique=False)

    op.create_table(
        "vo_demands",
        sa.Column("vo_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("demand", sa.Integer(), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("surplus_since", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("demand >= 0", name=op.f("ck_vo_demands_demand")),
        sa.ForeignKeyConstraint(
            ["vo_id"], ["vos.id"], name=op.f("fk_vo_demands_vo_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("vo_id", name=op.f("pk_vo_demands")),
        comment="What the source of a VO's demand answered last, and what went wrong since.",
    )
    with op.batch_alter_table("ce_health", schema=None) as batch_op:
        batch_op.add_column(sa.Column("held_until", sa.DateTime(timezone=True), nullable=True))
        batch_op.drop_column("next_probe_at")

    with op.batch_alter_table("ces", schema=None) as batch_op:
        batch_op.add_column(sa.Column("drain_by", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(
            sa.Column(
                "cancel_strangers", sa.Boolean(), server_default=sa.text("false"), nullable=False
            )
        )

    with op.batch_alter_table("transitions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("learned_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.create_index(
            "ix_transitions_unlearned",
            ["id"],
            unique=False,
            postgresql_where=sa.text(
                "learned_at IS NULL AND became NOT IN ('reserved', 'submitting')"
            ),
            sqlite_where=sa.text("learned_at IS NULL AND became NOT IN ('reserved', 'submitting')"),
        )

    with op.batch_alter_table("vos", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("draining", sa.Boolean(), server_default=sa.text("false"), nullable=False)
        )
        batch_op.add_column(sa.Column("budget", sa.Integer(), nullable=True))
        batch_op.add_column(
            sa.Column(
                "cancel_surplus", sa.Boolean(), server_default=sa.text("false"), nullable=False
            )
        )
        batch_op.add_column(
            sa.Column(
                "source", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=True
            )
        )
        batch_op.add_column(
            sa.Column(
                "payload", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=True
            )
        )

        batch_op.create_check_constraint("budget", "budget >= 0")

    # What is history already was learnt by the old way.
    op.execute("UPDATE transitions SET learned_at = at")
    updated_at.install(op.get_bind(), "credentials")


def downgrade() -> None:
    """Take it back."""
    with op.batch_alter_table("vos", schema=None) as batch_op:
        batch_op.drop_constraint(op.f("ck_vos_budget"), type_="check")
        batch_op.drop_column("payload")
        batch_op.drop_column("source")
        batch_op.drop_column("cancel_surplus")
        batch_op.drop_column("budget")
        batch_op.drop_column("draining")

    with op.batch_alter_table("transitions", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_transitions_unlearned",
            postgresql_where=sa.text(
                "learned_at IS NULL AND became NOT IN ('reserved', 'submitting')"
            ),
            sqlite_where=sa.text("learned_at IS NULL AND became NOT IN ('reserved', 'submitting')"),
        )
        batch_op.drop_column("learned_at")

    with op.batch_alter_table("ces", schema=None) as batch_op:
        batch_op.drop_column("cancel_strangers")
        batch_op.drop_column("drain_by")

    with op.batch_alter_table("ce_health", schema=None) as batch_op:
        batch_op.add_column(sa.Column("next_probe_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.drop_column("held_until")

    op.drop_table("vo_demands")
    with op.batch_alter_table("maintenances", schema=None) as batch_op:
        batch_op.drop_index("ix_maintenances_ce_id_ends_at")

    op.drop_table("maintenances")
    with op.batch_alter_table("credentials", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_credentials_vo_id_backend_kind",
            postgresql_where=sa.text("vo_id IS NOT NULL"),
            sqlite_where=sa.text("vo_id IS NOT NULL"),
        )
        batch_op.drop_index(
            "uq_credentials_backend_kind",
            postgresql_where=sa.text("vo_id IS NULL"),
            sqlite_where=sa.text("vo_id IS NULL"),
        )

    op.drop_table("credentials")
    with op.batch_alter_table("breaker_changes", schema=None) as batch_op:
        batch_op.drop_index("ix_breaker_changes_ce_id_id")
        batch_op.drop_index("ix_breaker_changes_at")

    op.drop_table("breaker_changes")
