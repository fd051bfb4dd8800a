"""Decisions of a cycle are one row, and cycles that decided the same."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from worker.db.compact import Cell, Columns

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
FRESH = timedelta(seconds=30)
SPAN = timedelta(hours=1)
ROWS_AT_ONCE = 10_000
CYCLES = sa.table(
    "cycles",
    *(sa.column(name, KEY) for name in ("id", "vo_id", "list_id", "base_id", "ticks", "granted")),
    *(sa.column(name, MOMENT) for name in ("at", "until")),
    sa.column("gaps", sa.Text()),
    *(sa.column(name, sa.LargeBinary()) for name in ("digest", "cells")),
)
BASES = sa.table(
    "decision_bases",
    *(sa.column(name, KEY) for name in ("id", "list_id")),
    sa.column("at", MOMENT),
    sa.column("cells", sa.LargeBinary()),
)
LISTS = sa.table(
    "ce_lists",
    *(sa.column(name, KEY) for name in ("id", "places")),
    sa.column("digest", sa.LargeBinary()),
)
PLACES = sa.table(
    "ce_list_places", *(sa.column(name, KEY) for name in ("list_id", "place", "ce_id"))
)
OLD = sa.table(
    "decisions",
    *(sa.column(name, KEY) for name in ("id", "vo_id", "ce_id", "granted")),
    sa.column("at", MOMENT),
    sa.column("reason", sa.Text()),
    sa.column("trace", sa.JSON().with_variant(postgresql.JSONB(), "postgresql")),
)


def upgrade() -> None:
    """Make the change. Every decision that is stored stays."""
    op.create_table(
        "ce_lists",
        sa.Column("id", KEY, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("places", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ce_lists")),
        comment="The CEs of a cycle, in their order. Most cycles have the same.",
    )
    op.create_table(
        "ce_list_places",
        sa.Column("list_id", KEY, nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("ce_id", KEY, nullable=False),
        _points("ce_list_places", "list_id", "ce_lists"),
        _points("ce_list_places", "ce_id", "ces"),
        sa.PrimaryKeyConstraint("list_id", "place", name=op.f("pk_ce_list_places")),
        comment="The place of a CE in a list. It goes with the CE, and what was decided about it.",
    )
    op.create_table(
        "decision_bases",
        sa.Column("id", KEY, nullable=False),
        sa.Column("list_id", KEY, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("cells", sa.LargeBinary(), nullable=False),
        _points("decision_bases", "list_id", "ce_lists"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decision_bases")),
        comment="The decisions of one cycle as a whole; those of the cycles just after are changes"
        " to it.",
    )
    # The decisions are written anew beside the old ones, which have the names that the new get.
    op.create_table("cycles", *(sa.Column(column.name, column.type) for column in CYCLES.columns))
    _Carrier(op.get_bind()).carry()
    op.drop_table("decisions")
    op.create_table(
        "decisions",
        sa.Column("id", KEY, nullable=False),
        *(sa.Column(name, KEY, nullable=False) for name in ("vo_id", "list_id", "base_id")),
        *(sa.Column(name, MOMENT, nullable=False) for name in ("at", "until")),
        sa.Column("ticks", sa.Integer(), nullable=False),
        sa.Column("gaps", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("granted", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.LargeBinary(), nullable=False) for name in ("digest", "cells")),
        sa.CheckConstraint("granted >= 0", name=op.f("ck_decisions_granted")),
        sa.CheckConstraint("ticks >= 1 AND at <= until", name=op.f("ck_decisions_ticks")),
        _points("decisions", "vo_id", "vos"),
        _points("decisions", "base_id", "decision_bases"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
        comment="Why each CE got so many pilots for a VO in one cycle, or none. Cycles that decided"
        " the same one after the other are one row; gaps are the microseconds between them.",
    )
    names = ", ".join(column.name for column in CYCLES.columns)
    op.execute(f"INSERT INTO decisions ({names}) SELECT {names} FROM cycles ORDER BY id")
    op.drop_table("cycles")
    if op.get_bind().dialect.name == "postgresql":
        for table in ("ce_lists", "decision_bases", "decisions"):
            op.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', 'id'),"
                f" (SELECT coalesce(max(id), 0) + 1 FROM {table}), false)"
            )
    for table, columns in (
        ("ce_list_places", ["ce_id", "list_id"]),
        ("decision_bases", ["at"]),
        ("decision_bases", ["list_id", "at"]),
        ("decisions", ["base_id"]),
        ("decisions", ["until", "id"]),
        ("decisions", ["vo_id", "list_id", "at"]),
    ):
        name = columns[:1] if table == "ce_list_places" else columns
        op.create_index(f"ix_{table}_{'_'.join(name)}", table, columns)


def downgrade() -> None:
    """Take it back. No decision is carried back."""
    for table in ("decisions", "decision_bases", "ce_list_places", "ce_lists"):
        op.drop_table(table)
    op.create_table(
        "decisions",
        sa.Column("id", KEY, nullable=False),
        sa.Column("vo_id", KEY, nullable=False),
        sa.Column("ce_id", KEY, nullable=False),
        sa.Column("at", MOMENT, server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False),
        sa.Column("granted", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "trace",
            sa.JSON(none_as_null=True).with_variant(
                postgresql.JSONB(none_as_null=True), "postgresql"
            ),
            nullable=False,
        ),
        sa.CheckConstraint("granted >= 0", name=op.f("ck_decisions_granted")),
        _points("decisions", "ce_id", "ces"),
        _points("decisions", "vo_id", "vos"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
        comment="Why a CE got this many pilots for a VO in one cycle, or none.",
    )
    for columns in (["at"], ["ce_id", "at"], ["vo_id", "at"]):
        op.create_index(f"ix_decisions_{'_'.join(columns)}", "decisions", columns)


def _points(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}")
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=name, ondelete="CASCADE")


class _Carrier:
    """Carries the decisions over, cycle by cycle, in the order of time."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._lists: dict[tuple[int, ...], int] = {}
        self._bases: dict[int, tuple[int, datetime, Columns]] = {}
        self._last: dict[int, dict[str, Any]] = {}
        self._counts = {"bases": 0, "cycles": 0}

    def carry(self) -> None:
        """Read all, write all; keep in memory the last cycle of each VO."""
        query = sa.select(OLD).order_by(OLD.c.at, OLD.c.vo_id, OLD.c.id)
        if self._connection.dialect.name == "postgresql":
            query = query.execution_options(stream_results=True, max_row_buffer=ROWS_AT_ONCE)
        stored = self._connection.execute(query)
        for (at, vo), cycle in groupby(stored, key=lambda row: (row.at, row.vo_id)):
            self._add(vo, at.replace(tzinfo=at.tzinfo or UTC), list(cycle))
        for row in self._last.values():
            self._write(row)

    def _add(self, vo: int, at: datetime, cycle: Sequence[Any]) -> None:
        columns = Columns.of([Cell(row.granted, row.reason, row.trace or {}) for row in cycle])
        list_id, digest = self._list(row.ce_id for row in cycle), columns.digest()
        last = self._last.get(vo)
        if last is not None and (last["list_id"], last["digest"]) == (list_id, digest):
            gap = (at - last["until"]) // timedelta(microseconds=1)
            if at - last["at"] < SPAN:
                last |= {"until": at, "ticks": last["ticks"] + 1, "gaps": f"{last['gaps']} {gap}"}
                return
        if last is not None:
            self._write(last)
        base_id, whole = self._base(list_id, at, columns)
        self._counts["cycles"] += 1
        self._last[vo] = {
            "id": self._counts["cycles"],
            "vo_id": vo,
            "list_id": list_id,
            "base_id": base_id,
            "at": at,
            "until": at,
            "ticks": 1,
            "gaps": "",
            "granted": sum(row.granted for row in cycle),
            "digest": digest,
            "cells": columns.write(whole),
        }

    def _list(self, ces: Iterable[int]) -> int:
        key = tuple(ces)
        if key not in self._lists:
            number = self._lists[key] = len(self._lists) + 1
            digest = sha256(",".join(map(str, key)).encode()).digest()
            self._connection.execute(
                sa.insert(LISTS), {"id": number, "places": len(key), "digest": digest}
            )
            self._connection.execute(
                sa.insert(PLACES),
                [{"list_id": number, "place": n, "ce_id": ce} for n, ce in enumerate(key)],
            )
        return self._lists[key]

    def _base(self, list_id: int, at: datetime, columns: Columns) -> tuple[int, Columns]:
        last = self._bases.get(list_id)
        if last is not None and at - last[1] <= FRESH:
            return last[0], last[2]
        self._counts["bases"] += 1
        number, cells = self._counts["bases"], columns.write()
        self._connection.execute(
            sa.insert(BASES), {"id": number, "list_id": list_id, "at": at, "cells": cells}
        )
        self._bases[list_id] = number, at, Columns.read(cells)
        return number, self._bases[list_id][2]

    def _write(self, row: dict[str, Any]) -> None:
        self._connection.execute(sa.insert(CYCLES), row)
