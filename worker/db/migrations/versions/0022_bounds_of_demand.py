"""The demand of a VO has a floor, a ceiling, and a delay after which a lower one is followed."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
CHECKS_OF_VOS = {
    "demand_min": "demand_min >= 0",
    "demand_max": "demand_max >= 0",
    "scale_down_delay": "scale_down_delay > 0",
}
CHECKS_OF_DEMANDS = {
    "held": "held >= 0",
    "lower": "lower >= 0",
    "lower_since": "(lower IS NULL) = (lower_since IS NULL)",
}


def upgrade() -> None:
    """Make the change."""
    with op.batch_alter_table("vos") as changed:
        for column in CHECKS_OF_VOS:
            changed.add_column(sa.Column(column, sa.Integer(), nullable=True))
        for name, check in CHECKS_OF_VOS.items():
            changed.create_check_constraint(op.f(f"ck_vos_{name}"), check)
    with op.batch_alter_table("vo_demands") as changed:
        for column in ("held", "lower"):
            changed.add_column(sa.Column(column, sa.Integer(), nullable=True))
        changed.add_column(sa.Column("lower_since", MOMENT, nullable=True))
        for name, check in CHECKS_OF_DEMANDS.items():
            changed.create_check_constraint(op.f(f"ck_vo_demands_{name}"), check)


def downgrade() -> None:
    """Take it back. A demand is followed at once again, whatever its bounds were."""
    for table, checks in (("vo_demands", CHECKS_OF_DEMANDS), ("vos", CHECKS_OF_VOS)):
        with op.batch_alter_table(table) as changed:
            for name in checks:
                changed.drop_constraint(op.f(f"ck_{table}_{name}"), type_="check")
            for name in checks:
                changed.drop_column(name)
