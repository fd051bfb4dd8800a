"""What a pilot that ended well did is stored, and whether the pilots of a VO find work."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from worker.db import tally_triggers

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
OF_NO_USE = sa.text("use IN ('short', 'empty')")
USE = """ALTER TABLE pilots ADD COLUMN use VARCHAR(16)
CONSTRAINT ck_pilots_use CHECK (use IN ('useful', 'short', 'empty'))
CONSTRAINT ck_pilots_use_of_good_end CHECK (use IS NULL OR status = 'done')"""


def upgrade() -> None:
    """Make the change. What has ended before has no use stored."""
    op.execute(USE)
    op.create_index(
        "ix_pilots_of_no_use",
        "pilots",
        ["use", "id"],
        postgresql_where=OF_NO_USE,
        sqlite_where=OF_NO_USE,
    )
    _let_tallies_follow(with_use=True)
    op.create_table(
        "vo_cohorts",
        sa.Column("vo_id", KEY, nullable=False),
        sa.Column("ce_id", KEY, nullable=False),
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("useful", "short", "empty")),
        _of("vo", "vo_cohorts"),
        _of("ce", "vo_cohorts"),
        sa.PrimaryKeyConstraint("vo_id", "ce_id", "minute", name=op.f("pk_vo_cohorts")),
        comment="What the pilots were for that began at a CE in one minute of the last hour.",
    )
    op.create_index("ix_vo_cohorts_minute", "vo_cohorts", ["minute"])
    op.create_index("ix_vo_cohorts_ce_id", "vo_cohorts", ["ce_id"])
    op.create_table(
        "vo_work",
        sa.Column("vo_id", KEY, nullable=False),
        sa.Column("lives", JSON, nullable=False),
        sa.Column("without_work_since", sa.DateTime(timezone=True)),
        sa.Column("without_work_reason", sa.Text()),
        sa.CheckConstraint(
            "(without_work_since IS NULL) = (without_work_reason IS NULL)",
            name=op.f("ck_vo_work_without_work"),
        ),
        _of("vo", "vo_work"),
        sa.PrimaryKeyConstraint("vo_id", name=op.f("pk_vo_work")),
        comment="How long the pilots of a VO usually live, and whether they find work.",
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("vo_work")
    op.drop_table("vo_cohorts")
    _let_tallies_follow(with_use=False)
    op.drop_index("ix_pilots_of_no_use", "pilots")
    if op.get_bind().dialect.name == "sqlite":
        # SQLite drops no column that a constraint of the table names.
        with op.batch_alter_table("pilots") as batch:
            batch.drop_constraint(op.f("ck_pilots_use_of_good_end"), type_="check")
            batch.drop_constraint(op.f("ck_pilots_use"), type_="check")
            batch.drop_column("use")
    else:
        op.drop_column("pilots", "use")


def _let_tallies_follow(*, with_use: bool) -> None:
    tally_triggers.remove(op.get_bind())
    tally_triggers.install(op.get_bind(), with_use=with_use)


def _of(owner: str, table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [f"{owner}_id"], [f"{owner}s.id"], name=op.f(f"fk_{table}_{owner}_id"), ondelete="CASCADE"
    )
