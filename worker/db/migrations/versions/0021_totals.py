"""What has ever moved is kept in totals, which a monitoring system reads as counters."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
KINDS = ("submit", "poll", "find", "cancel", "output", "tidy")
OUTCOMES = ("answered", "refused", "unavailable", "unreadable", "credential")
COUNTS = ("pilots", "starts", "microseconds_to_start", "microseconds_run")
BEFORE_THE_START = "('', 'reserved', 'submitting', 'submitted')"
BEFORE_THE_END = "('', 'reserved', 'submitting', 'submitted', 'running')"


def upgrade() -> None:
    """Make the change. The totals begin with what the tallies say."""
    for place in ("ce", "vo"):
        _create_totals(place)
        op.execute(_sums_of_tallies(place))
    op.create_table(
        "call_totals",
        sa.Column("ce_id", KEY, autoincrement=False, nullable=False),
        sa.Column("backend", sa.String(128), nullable=False),
        sa.Column("kind", _words("kind", KINDS), nullable=False),
        sa.Column("outcome", _words("outcome", OUTCOMES), nullable=False),
        sa.Column("within", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("microseconds", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            *("ce_id", "backend", "kind", "outcome", "within"), name=op.f("pk_call_totals")
        ),
        comment="All calls that were ever made to each CE; it never goes down.",
    )
    op.execute(
        "INSERT INTO call_totals (ce_id, backend, kind, outcome, within, calls, microseconds)"
        " SELECT c.id, c.backend, t.kind, t.outcome, t.within, sum(t.calls),"
        " CAST(round(CAST(sum(t.seconds) * 1000000 AS NUMERIC)) AS BIGINT)"
        " FROM call_tallies t JOIN ces c ON c.id = t.ce_id"
        " GROUP BY c.id, c.backend, t.kind, t.outcome, t.within"
    )


def downgrade() -> None:
    """Take it back."""
    for table in ("call_totals", "vo_totals", "ce_totals"):
        op.drop_table(table)


def _create_totals(place: str) -> None:
    name = {"ce": "at each CE", "vo": "of each VO"}[place]
    op.create_table(
        f"{place}_totals",
        sa.Column(f"{place}_id", KEY, nullable=False),
        *(sa.Column(n, sa.String(16), nullable=False) for n in ("was", "became", "cause")),
        *(sa.Column(n, sa.BigInteger(), nullable=False) for n in COUNTS),
        sa.ForeignKeyConstraint(
            [f"{place}_id"],
            [f"{place}s.id"],
            name=op.f(f"fk_{place}_totals_{place}_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            f"{place}_id", "was", "became", "cause", name=op.f(f"pk_{place}_totals")
        ),
        comment=f"What has ever moved {name}, without what new_tallies says; it never goes down.",
    )


def _sums_of_tallies(place: str) -> str:
    seconds = "greatest(0, {})" if op.get_bind().dialect.name == "postgresql" else "max(0, {})"
    begun = f"CASE WHEN was IN {BEFORE_THE_START} THEN {{}} ELSE 0 END"
    ended = f"CASE WHEN was IN {BEFORE_THE_END} THEN {{}} ELSE 0 END"
    whole = "CAST(round(CAST({} * 1000000 AS NUMERIC)) AS BIGINT)"
    sums = (
        "sum(pilots)",
        begun.format("sum(starts)"),
        begun.format(whole.format(seconds.format("sum(seconds_to_start)"))),
        ended.format(whole.format(seconds.format("sum(seconds_run)"))),
    )
    return (
        f"INSERT INTO {place}_totals ({place}_id, was, became, cause, {', '.join(COUNTS)})"
        f" SELECT {place}_id, was, became, cause, {', '.join(sums)} FROM tallies"
        f" WHERE was <> became AND became <> '' GROUP BY {place}_id, was, became, cause"
    )


def _words(name: str, members: tuple[str, ...]) -> sa.Enum:
    return sa.Enum(*members, name=name, native_enum=False, create_constraint=True, length=16)
