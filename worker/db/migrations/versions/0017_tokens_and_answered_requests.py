"""Who may come in at the API is stored, what it answered, and changes come by it.

On PostgreSQL the check of the door reads the rows of `changes` once, two years of them at the most.
To do it in two steps (NOT VALID, then VALIDATE) would gain nothing: a migration has all tables of
its chain for itself until its end.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
DOORS = ("command", "task", "worker")
TOKENS = sa.text("kind = 'token'")


def upgrade() -> None:
    """Make the change."""
    _make_tokens()
    op.create_table(
        "answered_requests",
        sa.Column("who", _plain(sa.Text), nullable=False),
        sa.Column("key", _plain(sa.String, 255), nullable=False),
        sa.Column("request", sa.String(64), nullable=False),
        sa.Column("answer", sa.JSON(none_as_null=True)),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("who", "key", name=op.f("pk_answered_requests")),
        comment="What was answered to each request with an idempotency key; it is done once.",
    )
    op.create_index("ix_answered_requests_at", "answered_requests", ["at"])
    _let_changes_come_by((*DOORS, "api"))


def downgrade() -> None:
    """Take it back. A change that came by the API counts as one by a command."""
    _write_api_as_command()
    _let_changes_come_by(DOORS)
    op.drop_table("answered_requests")
    op.drop_table("tokens")


def _make_tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", _plain(sa.Text), nullable=False),
        sa.Column("kind", _words("kind", ("token", "link", "session")), nullable=False),
        sa.Column("secret_hash", _plain(sa.String, 64), nullable=False),
        sa.Column("role", _words("role", ("read", "operate", "admin")), nullable=False),
        sa.Column("vo_id", KEY),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("revoked_at", MOMENT),
        sa.Column("used_at", MOMENT),
        sa.CheckConstraint("vo_id IS NULL OR role = 'operate'", name=op.f("ck_tokens_vo")),
        sa.ForeignKeyConstraint(
            ["vo_id"], ["vos.id"], name=op.f("fk_tokens_vo_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_tokens_secret_hash")),
        comment="Who may come in at the API, and what they may do; the hash of a secret, never itself.",
    )
    op.create_index(
        "uq_tokens_name",
        "tokens",
        ["name"],
        unique=True,
        postgresql_where=TOKENS,
        sqlite_where=TOKENS,
    )


def _let_changes_come_by(doors: tuple[str, ...]) -> None:
    # SQLite makes the table anew. Its triggers go with the old one, and are installed again at the
    # end of each migration.
    words = ", ".join(f"'{door}'" for door in doors)
    with op.batch_alter_table("changes") as changed:
        changed.drop_constraint(op.f("ck_changes_door"), type_="check")
        changed.create_check_constraint(op.f("ck_changes_door"), f"door IN ({words})")


def _write_api_as_command() -> None:
    """Change rows that nobody may change, before their trigger is there again."""
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    if on_postgresql:
        op.execute("ALTER TABLE changes DISABLE TRIGGER keep_changes")
    else:
        op.execute("DROP TRIGGER IF EXISTS keep_changes")
    op.execute("UPDATE changes SET door = 'command' WHERE door = 'api'")
    if on_postgresql:
        op.execute("ALTER TABLE changes ENABLE TRIGGER keep_changes")


def _plain(kind: type[sa.String], length: int | None = None) -> sa.String:
    return kind(length).with_variant(kind(length, collation="C"), "postgresql")


def _words(name: str, members: tuple[str, ...]) -> sa.Enum:
    return sa.Enum(*members, name=name, native_enum=False, create_constraint=True, length=16)
