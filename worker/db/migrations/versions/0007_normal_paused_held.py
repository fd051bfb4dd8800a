"""A CE is normal, paused or held; what was learnt of it and its queue have columns."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
OLD, NEW = ("closed", "open", "held"), ("normal", "paused", "held")

_DRAINED = {
    "postgresql": "UPDATE ce_health SET queue_drained = "
    "coalesce(CAST(rates -> 'queue' ->> 'drained' AS integer), 0), "
    "rates = rates - 'queue' - 'success_rate'",
    "sqlite": "UPDATE ce_health SET queue_drained = "
    "coalesce(json_extract(rates, '$.queue.drained'), 0), "
    "rates = json_remove(rates, '$.queue', '$.success_rate')",
}
"""Since when the oldest pilot waits is not taken over: the next `learn` looks at it again."""


def upgrade() -> None:
    """Make the change."""
    _move_history("breaker_changes", OLD, "sending_changes", NEW)
    with op.batch_alter_table("ce_health") as table:
        table.add_column(
            sa.Column("queue_drained", sa.Integer(), server_default=sa.text("0"), nullable=False)
        )
        table.add_column(sa.Column("oldest_waiting_since", sa.DateTime(timezone=True)))
        table.drop_constraint(op.f("ck_ce_health_breaker"), type_="check")
        table.drop_constraint(op.f("ck_ce_health_breaker_reason"), type_="check")
        table.create_check_constraint(op.f("ck_ce_health_queue_drained"), "queue_drained >= 0")
    op.execute(_translated("ce_health", "breaker", OLD, NEW))
    op.execute(_DRAINED[op.get_bind().dialect.name])
    with op.batch_alter_table("ce_health") as table:
        table.alter_column("rates", new_column_name="learned")
        table.alter_column("breaker", new_column_name="sending", server_default="normal")
        table.alter_column("breaker_reason", new_column_name="sending_reason")
        table.alter_column("breaker_since", new_column_name="sending_since")
    with op.batch_alter_table("ce_health") as table:
        table.create_check_constraint(op.f("ck_ce_health_sending"), _one_of("sending", NEW))
        table.create_check_constraint(
            op.f("ck_ce_health_sending_reason"), "(sending = 'normal') = (sending_reason IS NULL)"
        )


def downgrade() -> None:
    """Take it back."""
    with op.batch_alter_table("ce_health") as table:
        for name in ("sending", "sending_reason", "queue_drained"):
            table.drop_constraint(op.f(f"ck_ce_health_{name}"), type_="check")
    op.execute(_translated("ce_health", "sending", NEW, OLD))
    with op.batch_alter_table("ce_health") as table:
        table.drop_column("queue_drained")
        table.drop_column("oldest_waiting_since")
        table.alter_column("learned", new_column_name="rates")
        table.alter_column("sending", new_column_name="breaker", server_default="closed")
        table.alter_column("sending_reason", new_column_name="breaker_reason")
        table.alter_column("sending_since", new_column_name="breaker_since")
    with op.batch_alter_table("ce_health") as table:
        table.create_check_constraint(op.f("ck_ce_health_breaker"), _one_of("breaker", OLD))
        table.create_check_constraint(
            op.f("ck_ce_health_breaker_reason"), "(breaker = 'closed') = (breaker_reason IS NULL)"
        )
    _move_history("sending_changes", NEW, "breaker_changes", OLD)


def _one_of(column: str, words: tuple[str, ...]) -> str:
    quoted = ", ".join(f"'{word}'" for word in words)
    return f"{column} IN ({quoted})"


def _translated(table: str, column: str, old: tuple[str, ...], new: tuple[str, ...]) -> str:
    return f"UPDATE {table} SET {column} = {_translation(column, old, new)}"


def _translation(column: str, old: tuple[str, ...], new: tuple[str, ...]) -> str:
    cases = " ".join(
        f"WHEN '{was}' THEN '{becomes}'" for was, becomes in zip(old, new, strict=True)
    )
    return f"CASE {column} {cases} END"


def _move_history(old: str, old_words: tuple[str, ...], new: str, words: tuple[str, ...]) -> None:
    """Write the history into a table of another name, with other words."""
    op.create_table(
        new,
        sa.Column("id", KEY, nullable=False),
        sa.Column("ce_id", KEY, nullable=False),
        sa.Column("was", _enum("was", words), nullable=False),
        sa.Column("became", _enum("became", words), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by_hand", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True)),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            server_default=sa.text("CURRENT_TIMESTAMP"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["ce_id"], ["ces.id"], name=op.f(f"fk_{new}_ce_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{new}")),
        comment="Every pause of a CE and every end of one, with its reason.",
    )
    op.create_index(f"ix_{new}_at", new, ["at"])
    op.create_index(f"ix_{new}_ce_id_id", new, ["ce_id", "id"])
    was, became = (_translation(column, old_words, words) for column in ("was", "became"))
    op.execute(
        f"INSERT INTO {new} (id, ce_id, was, became, reason, by_hand, until, at) "
        f"SELECT id, ce_id, {was}, {became}, reason, by_hand, until, at FROM {old}"
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"SELECT setval(pg_get_serial_sequence('{new}', 'id'), "
            f"(SELECT coalesce(max(id), 0) + 1 FROM {new}), false)"
        )
    op.drop_table(old)


def _enum(name: str, words: tuple[str, ...]) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=16)
