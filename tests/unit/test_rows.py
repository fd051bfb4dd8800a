"""Rows as one parameter, and the key at which a page ends."""

import ast
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import JSON, Float, Integer, Text, select

from tests.expectations import refused
from worker.db.pages import MOST, PageRequest
from worker.db.rows import encode, moment, rows
from worker.db.types import UtcDateTime
from worker.db.uow import UnitOfWork
from worker.domain.errors import Invalid

NOON = datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC)
KINDS: Mapping[str, Any] = {
    "number": Integer,
    "part": Float,
    "word": Text,
    "at": UtcDateTime,
    "value": JSON,
}
ROWS: list[tuple[Any, ...]] = [
    (1, 0.5, "plain", NOON, {"deep": [1, {"er": None}]}),
    (2**40, -1e300, 'it\'s "quoted" \\ % _ \n täglich 🚀', NOON, []),
    (-3, 0.0, "", NOON, {}),
    (None, None, None, None, None),
]


def test_rows_come_out_as_they_went_in(uow: UnitOfWork) -> None:
    with uow() as tx:
        subquery = rows(tx.dialect, **KINDS)
        result = tx.execute(select(subquery), encode(tuple(KINDS), ROWS)).all()

    assert [tuple(row) for row in result] == ROWS


def test_no_rows_are_no_rows(uow: UnitOfWork) -> None:
    with uow() as tx:
        result = tx.execute(select(rows(tx.dialect, **KINDS)), encode(tuple(KINDS), [])).all()

    assert result == []


def test_a_thousand_rows_are_one_parameter() -> None:
    parameters = encode(("id",), ([n] for n in range(1000)))

    assert list(parameters) == ["rows"]
    assert len(json.loads(parameters["rows"])) == 1000


def test_a_row_of_the_wrong_length_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="argument"):
        encode(("one", "two"), [(1,)])


def test_a_cell_that_is_no_value_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="cannot be a cell"):
        encode(("one",), [(object(),)])


def test_a_moment_is_written_in_utc_and_a_naive_one_is_refused() -> None:
    plus_two = timezone(timedelta(hours=2))

    assert moment(datetime(2026, 1, 1, 1, tzinfo=plus_two)) == "2025-12-31 23:00:00.000000"
    with pytest.raises(ValueError, match="no time zone"):
        moment(datetime(2026, 1, 1))  # noqa: DTZ001


@pytest.mark.parametrize("limit", [0, -1, MOST + 1])
def test_a_page_has_a_sensible_length(limit: int) -> None:
    with refused(Invalid, "limit", str(limit)):
        PageRequest(limit=limit)


def test_db_is_the_only_room_that_knows_the_two_databases_apart() -> None:
    """The first migrations of back-ends are frozen, and name the types of both."""
    worker = Path(__file__).parents[2] / "worker"
    branching = [
        f"{path.relative_to(worker)}: {ast.unparse(node)}"
        for path in worker.rglob("*.py")
        if "db" not in path.relative_to(worker).parts[:1] and "versions" not in path.parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if _knows_a_dialect(node)
    ]
    assert branching == []


def _knows_a_dialect(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        return (node.module or "").startswith("sqlalchemy.dialects")
    if not isinstance(node, ast.Compare | ast.Match | ast.Subscript):
        return False
    return any(
        getattr(part, "attr", getattr(part, "id", None)) == "dialect" for part in ast.walk(node)
    )
