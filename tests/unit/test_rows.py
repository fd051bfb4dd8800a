"""Rows as one parameter, and the keyset that says where a page ended."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
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
        sent = rows(tx.dialect, **KINDS)
        found = tx.execute(select(sent), encode(tuple(KINDS), ROWS)).all()

    assert [tuple(row) for row in found] == ROWS


def test_no_rows_are_no_rows(uow: UnitOfWork) -> None:
    with uow() as tx:
        found = tx.execute(select(rows(tx.dialect, **KINDS)), encode(tuple(KINDS), [])).all()

    assert found == []


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
