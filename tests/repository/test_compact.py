"""Decisions as columns: whatever was decided is read back, to the last digit."""

import json
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.factories import NOW
from tests.policy.given import BUDGETS, CES, VOS
from worker.db.compact import Cell, Columns
from worker.policy.facts import CEFacts, VOFacts
from worker.services import policies

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(), parts, max_size=3),
    max_leaves=8,
)
TRACES = st.dictionaries(st.sampled_from("abcd"), VALUES, max_size=4)
WORDS = st.sampled_from(["free", "0.05", "3", "12", "1.00", "-1", "007", "1.2.3", "\0", "\1", "é"])
REASONS = st.lists(WORDS | st.text(max_size=3), max_size=6).map(" ".join)
CELLS = st.builds(
    Cell,
    granted=st.integers(0, 2**31),
    reason=REASONS,
    trace=st.one_of(st.just({}), TRACES, TRACES.map(lambda trace: {"ce": trace})),
)


def exactly(cells: list[Cell]) -> str:
    """Return decisions as text in which 1, 1.0 and True differ."""
    return json.dumps([[c.granted, c.reason, c.trace] for c in cells], sort_keys=True)


def read_back(cells: list[Cell], base: list[Cell] | None = None) -> list[Cell]:
    before = None if base is None else Columns.read(Columns.of(base).write())
    columns = Columns.read(Columns.of(cells).write(before), before)
    return [columns.cell(place) for place in range(len(cells))]


@given(st.lists(CELLS, min_size=1, max_size=6))
def test_anything_is_read_back(cells: list[Cell]) -> None:
    assert exactly(read_back(cells)) == exactly(cells)


@given(st.lists(st.tuples(CELLS, CELLS, st.booleans()), min_size=1, max_size=6))
def test_anything_is_read_back_against_any_base(pairs: list[tuple[Cell, Cell, bool]]) -> None:
    base = [one for one, _, _ in pairs]
    cells = [one if is_same else other for one, other, is_same in pairs]
    assert exactly(read_back(cells, base)) == exactly(cells)


@given(ces=CES, vo=VOS, budget=BUDGETS, other=BUDGETS)
def test_what_a_policy_decides_is_read_back(
    ces: list[CEFacts], vo: VOFacts, budget: int, other: int
) -> None:
    if not ces:
        return
    base, cells = (
        [
            Cell(one.granted, one.reason, one.trace)
            for one in policies.find()(now=NOW, vo=vo, budget=number, ces=ces)
        ]
        for number in (budget, other)
    )
    assert exactly(read_back(cells, base)) == exactly(cells)


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, 1.0), (1, True), (0.0, -0.0), (0.1, 0.1 + 2**-54), (None, "null"), ([], {}), (1, "1")],
)
def test_what_looks_alike_has_another_digest(one: Any, other: Any) -> None:
    same, different = (
        Columns.of([Cell(1, "so", {"a": value}), Cell(1, "so", {"a": 7.5})]).digest()
        for value in (one, other)
    )
    assert (same == different) is (repr(one) == repr(other))


def test_equal_cycles_have_one_digest_and_cost_next_to_nothing() -> None:
    ces = [CEFacts(name=f"ce{n:03}", free=n % 7, occupying=n, drained=n % 3) for n in range(500)]
    decide = partial(policies.find(), now=NOW, vo=VOFacts(name="vo", demand=90), budget=100)
    first, again = (
        Columns.of([Cell(d.granted, d.reason, d.trace) for d in decide(ces=facts)])
        for facts in (ces, [replace(ce) for ce in ces])
    )
    whole = first.write()

    assert first.digest() == again.digest()
    assert len(again.write(Columns.read(whole))) < 500
    assert len(whole) < 500 * 20


def test_numbers_that_a_reason_finds_in_its_trace_are_written_against_a_base_that_has_others() -> (
    None
):
    others = [Cell(0, "waits 7", {"free": 1}), Cell(0, "worth 7.25", {"free": 2})]
    cells = [Cell(0, "free 3", {"free": 3}), Cell(0, "free 4", {"free": 4})]
    base = Columns.read(Columns.of(others).write())

    columns = Columns.read(Columns.of(cells).write(base), base)

    assert [columns.cell(place) for place in range(2)] == cells


def test_a_reason_that_holds_a_mark_is_no_template() -> None:
    cells = [Cell(0, "0.05", {}), Cell(0, "\1", {}), Cell(0, "7", {}), Cell(0, "\0", {})]

    assert read_back(cells) == cells
