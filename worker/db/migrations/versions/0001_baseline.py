"""The first tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from worker.db import updated_at

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "ces",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("backend", sa.String(length=128), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.Column("waiting_limit", sa.Integer(), nullable=True),
        sa.Column("success_rate", sa.Float(), server_default=sa.text("1"), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("draining", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("open_to_all", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column(
            "tags",
            sa.JSON().with_variant(postgresql.ARRAY(sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "options", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False
        ),
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
        sa.CheckConstraint("capacity >= 0", name=op.f("ck_ces_capacity")),
        sa.CheckConstraint(
            "success_rate >= 0 AND success_rate <= 1", name=op.f("ck_ces_success_rate")
        ),
        sa.CheckConstraint("waiting_limit >= 0", name=op.f("ck_ces_waiting_limit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ces")),
        sa.UniqueConstraint("name", name=op.f("uq_ces_name")),
        comment="Places that run pilots. success_rate is the configured one.",
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=192), nullable=False),
        sa.Column("holder", sa.Text(), nullable=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tokens", sa.Float(), nullable=True),
        sa.Column("filled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
        comment="Who may call a CE just now, and how many calls a rate limit still allows.",
    )
    op.create_table(
        "reports",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            server_default=sa.text("CURRENT_TIMESTAMP"),
            nullable=False,
        ),
        sa.Column(
            "summary", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reports")),
        comment="The summaries that the task report stored.",
    )
    op.create_index("ix_reports_at", "reports", ["at"], unique=False)
    op.create_table(
        "vos",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("share", sa.Float(), server_default=sa.text("1"), nullable=False),
        sa.Column("limit", sa.Integer(), nullable=True),
        sa.Column("demand", sa.Integer(), nullable=True),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
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
        sa.CheckConstraint('"limit" >= 0', name=op.f("ck_vos_limit")),
        sa.CheckConstraint("demand >= 0", name=op.f("ck_vos_demand")),
        sa.CheckConstraint("share >= 0", name=op.f("ck_vos_share")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vos")),
        sa.UniqueConstraint("name", name=op.f("uq_vos_name")),
        comment="Owners of pilots. A limit or demand of NULL is unlimited.",
    )
    op.create_table(
        "ce_health",
        sa.Column("ce_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "rates", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False
        ),
        sa.Column(
            "learned_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("CURRENT_TIMESTAMP"),
            nullable=False,
        ),
        sa.Column(
            "breaker",
            sa.Enum(
                "closed",
                "open",
                "held",
                name="breaker",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            server_default="closed",
            nullable=False,
        ),
        sa.Column("breaker_reason", sa.Text(), nullable=True),
        sa.Column("breaker_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_probe_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failed_calls", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("CURRENT_TIMESTAMP"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(breaker = 'closed') = (breaker_reason IS NULL)",
            name=op.f("ck_ce_health_breaker_reason"),
        ),
        sa.CheckConstraint("failed_calls >= 0", name=op.f("ck_ce_health_failed_calls")),
        sa.ForeignKeyConstraint(
            ["ce_id"], ["ces.id"], name=op.f("fk_ce_health_ce_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("ce_id", name=op.f("pk_ce_health")),
        comment="What was learnt of a CE, and whether it is paused.",
    )
    op.create_table(
        "ce_vos",
        sa.Column("ce_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("vo_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(
            ["ce_id"], ["ces.id"], name=op.f("fk_ce_vos_ce_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["vo_id"], ["vos.id"], name=op.f("fk_ce_vos_vo_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("ce_id", "vo_id", name=op.f("pk_ce_vos")),
        comment="Which VOs may use a CE that is not open to all.",
    )
    op.create_index("ix_ce_vos_vo_id", "ce_vos", ["vo_id"], unique=False)
    op.create_table(
        "decisions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("vo_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("ce_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            server_default=sa.text("CURRENT_TIMESTAMP"),
            nullable=False,
        ),
        sa.Column("granted", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "trace", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False
        ),
        sa.CheckConstraint("granted >= 0", name=op.f("ck_decisions_granted")),
        sa.ForeignKeyConstraint(
            ["ce_id"], ["ces.id"], name=op.f("fk_decisions_ce_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["vo_id"], ["vos.id"], name=op.f("fk_decisions_vo_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
        comment="Why a CE got this many pilots for a VO in one cycle, or none.",
    )
    op.create_index("ix_decisions_at", "decisions", ["at"], unique=False)
    op.create_index("ix_decisions_ce_id_at", "decisions", ["ce_id", "at"], unique=False)
    op.create_index("ix_decisions_vo_id_at", "decisions", ["vo_id", "at"], unique=False)
    op.create_table(
        "pilots",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("stamp", sa.String(length=32), nullable=False),
        sa.Column("vo_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("ce_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "reserved",
                "submitting",
                "submitted",
                "running",
                "done",
                "failed",
                "cancelled",
                "lost",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column(
            "cause",
            sa.Enum(
                "refused",
                "quota",
                "credential",
                "never_started",
                "failed_fast",
                "failed_late",
                "exit_code",
                "signal",
                "out_of_memory",
                "walltime",
                "preempted",
                "node",
                "held",
                "removed",
                "unknown",
                name="cause",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=True,
        ),
        sa.Column("handle", sa.Text(), nullable=True),
        sa.Column("raw", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("misses", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("requeues", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "reserved_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("CURRENT_TIMESTAMP"),
            nullable=False,
        ),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("missing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_check_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("CURRENT_TIMESTAMP"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(status = 'failed') = (cause IS NOT NULL)", name=op.f("ck_pilots_cause_of_failure")
        ),
        sa.CheckConstraint(
            "(status IN ('done', 'failed', 'cancelled', 'lost')) = (ended_at IS NOT NULL)",
            name=op.f("ck_pilots_ended"),
        ),
        sa.CheckConstraint(
            "attempts >= 0 AND misses >= 0 AND requeues >= 0", name=op.f("ck_pilots_counts")
        ),
        sa.CheckConstraint(
            "length(stamp) = 32 AND lower(stamp) = stamp", name=op.f("ck_pilots_stamp")
        ),
        sa.ForeignKeyConstraint(
            ["ce_id"], ["ces.id"], name=op.f("fk_pilots_ce_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["vo_id"], ["vos.id"], name=op.f("fk_pilots_vo_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pilots")),
        sa.UniqueConstraint("stamp", name=op.f("uq_pilots_stamp")),
        comment="One row, one job on one CE for one VO.",
        sqlite_autoincrement=True,
    )
    op.create_index("ix_pilots_ce_id_id", "pilots", ["ce_id", "id"], unique=False)
    op.create_index(
        "ix_pilots_due",
        "pilots",
        ["ce_id", "next_check_at"],
        unique=False,
        postgresql_where=sa.text("next_check_at IS NOT NULL"),
        sqlite_where=sa.text("next_check_at IS NOT NULL"),
    )
    op.create_index(
        "ix_pilots_ended_at",
        "pilots",
        ["ended_at"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NOT NULL"),
        sqlite_where=sa.text("ended_at IS NOT NULL"),
    )
    op.create_index(
        "ix_pilots_occupying",
        "pilots",
        ["ce_id", "status", "vo_id"],
        unique=False,
        postgresql_where=sa.text("status IN ('reserved', 'submitting', 'submitted', 'running')"),
        sqlite_where=sa.text("status IN ('reserved', 'submitting', 'submitted', 'running')"),
    )
    op.create_index(
        "ix_pilots_occupying_vo",
        "pilots",
        ["vo_id"],
        unique=False,
        postgresql_where=sa.text("status IN ('reserved', 'submitting', 'submitted', 'running')"),
        sqlite_where=sa.text("status IN ('reserved', 'submitting', 'submitted', 'running')"),
    )
    op.create_index("ix_pilots_vo_id_id", "pilots", ["vo_id", "id"], unique=False)
    op.create_index(
        "uq_pilots_ce_id_handle",
        "pilots",
        ["ce_id", "handle"],
        unique=True,
        postgresql_where=sa.text(
            "handle IS NOT NULL AND status IN ('reserved', 'submitting', 'submitted', 'running')"
        ),
        sqlite_where=sa.text(
            "handle IS NOT NULL AND status IN ('reserved', 'submitting', 'submitted', 'running')"
        ),
    )
    op.create_table(
        "schedules",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("task", sa.String(length=128), nullable=False),
        sa.Column("vo_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("every", sa.Float(), nullable=True),
        sa.Column("cron", sa.String(length=128), nullable=True),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "last_outcome",
            sa.Enum(
                "ok",
                "failed",
                "skipped",
                name="last_outcome",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=True,
        ),
        sa.Column("last_seconds", sa.Float(), nullable=True),
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
        sa.CheckConstraint(
            "(every IS NULL) <> (cron IS NULL)", name=op.f("ck_schedules_every_or_cron")
        ),
        sa.CheckConstraint("every > 0", name=op.f("ck_schedules_every")),
        sa.ForeignKeyConstraint(
            ["vo_id"], ["vos.id"], name=op.f("fk_schedules_vo_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedules")),
        comment="When each periodic task fires; a row with a VO stands before the one without.",
    )
    op.create_index(
        "uq_schedules_task",
        "schedules",
        ["task"],
        unique=True,
        postgresql_where=sa.text("vo_id IS NULL"),
        sqlite_where=sa.text("vo_id IS NULL"),
    )
    op.create_index(
        "uq_schedules_task_vo_id",
        "schedules",
        ["task", "vo_id"],
        unique=True,
        postgresql_where=sa.text("vo_id IS NOT NULL"),
        sqlite_where=sa.text("vo_id IS NOT NULL"),
    )
    op.create_table(
        "transitions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("pilot_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "was",
            sa.Enum(
                "reserved",
                "submitting",
                "submitted",
                "running",
                "done",
                "failed",
                "cancelled",
                "lost",
                name="was",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=True,
        ),
        sa.Column(
            "became",
            sa.Enum(
                "reserved",
                "submitting",
                "submitted",
                "running",
                "done",
                "failed",
                "cancelled",
                "lost",
                name="became",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column(
            "cause",
            sa.Enum(
                "refused",
                "quota",
                "credential",
                "never_started",
                "failed_fast",
                "failed_late",
                "exit_code",
                "signal",
                "out_of_memory",
                "walltime",
                "preempted",
                "node",
                "held",
                "removed",
                "unknown",
                name="cause",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=True,
        ),
        sa.Column("raw", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            server_default=sa.text("CURRENT_TIMESTAMP"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["pilot_id"], ["pilots.id"], name=op.f("fk_transitions_pilot_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transitions")),
        comment="The history of each pilot. The first has no 'was'.",
    )
    op.create_index(
        "ix_transitions_ends",
        "transitions",
        ["at"],
        unique=False,
        postgresql_where=sa.text("became IN ('done', 'failed', 'cancelled', 'lost')"),
        sqlite_where=sa.text("became IN ('done', 'failed', 'cancelled', 'lost')"),
    )
    op.create_index("ix_transitions_pilot_id_id", "transitions", ["pilot_id", "id"], unique=False)
    updated_at.install(op.get_bind(), "vos", "ces", "pilots", "schedules")
    updated_at.install(op.get_bind(), "ce_health", key="ce_id")
    op.execute("INSERT INTO vos (name) VALUES ('default')")


def downgrade() -> None:
    """Take it back."""
    op.drop_table("transitions")
    op.drop_table("schedules")
    op.drop_table("pilots")
    op.drop_table("decisions")
    op.drop_table("ce_vos")
    op.drop_table("ce_health")
    op.drop_table("vos")
    op.drop_table("reports")
    op.drop_table("leases")
    op.drop_table("ces")
    updated_at.drop_shared_function(op.get_bind())
