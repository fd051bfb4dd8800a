"""Scenarios are read, and a wrong one is refused with its reason."""

from typing import Any

import pytest

from tests.expectations import refused
from worker.domain.errors import Invalid
from worker.simulation.scenario import TroubleKind, names_of, parse

CE = {"name": "ce", "count": 2}


def test_a_scenario_is_what_its_file_says() -> None:
    values = {
        "hours": 6,
        "ce": [CE, {"name": "own", "vos": ["lhcb"]}],
        "vo": [{"name": "lhcb", "share": 2}],
        "trouble": [{"ce": "ce01", "kind": "outage", "begins": 1, "ends": 2}],
        "drift": [{"ce": "all", "of": "start", "low": 0.2, "high": 0.9}],
    }
    scenario = parse("mine", values)

    assert (scenario.name, scenario.hours, scenario.seed) == ("mine", 6, 1)
    assert [name for site in scenario.sites for name in names_of(site)] == ["ce00", "ce01", "own"]
    assert scenario.sites[1].vos == ("lhcb",)
    assert scenario.owners[0].unlimited
    assert scenario.troubles[0].kind is TroubleKind.OUTAGE
    assert scenario.drifts[0].high == 0.9


def test_without_a_vo_there_is_one_with_work_without_end() -> None:
    [owner] = parse("mine", {"ce": [CE]}).owners
    assert owner.unlimited


WRONG: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "no_ce": ({}, ("mine", "no [[ce]]")),
    "unknown_key": ({"hour": 3, "ce": [CE]}, ("hour", "hours")),
    "unknown_key_of_a_ce": (
        {"ce": [{"name": "a", "slot": 1}]},
        ("scenario mine: ce.0: unknown key 'slot': did you mean 'slots'?",),
    ),
    "ce_without_a_name": ({"ce": [{"count": 3}]}, ("ce.0.name: it must be given",)),
    "rate_above_one": ({"ce": [{"name": "a", "start": 1.5}]}, ("start",)),
    "trouble_elsewhere": (
        {"ce": [CE], "trouble": [{"ce": "c", "kind": "stuck", "begins": 0, "ends": 1}]},
        ("CE c", "ce"),
    ),
    "unknown_trouble": (
        {"ce": [CE], "trouble": [{"ce": "ce", "kind": "outrage", "begins": 0, "ends": 1}]},
        ("outage",),
    ),
    "trouble_that_ends_before_it_begins": (
        {"ce": [CE], "trouble": [{"ce": "ce", "kind": "stuck", "begins": 2, "ends": 1}]},
        ("begins at 2",),
    ),
    "drift_of_something_else": (
        {"ce": [CE], "drift": [{"ce": "ce", "of": "name", "low": 0, "high": 1}]},
        ("drift.0.of: it must be 'accept', 'start' or 'finish'",),
    ),
}


@pytest.mark.parametrize(("values", "words"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said(values: dict[str, Any], words: tuple[str, ...]) -> None:
    with refused(Invalid, *words):
        parse("mine", values)


def test_values_of_another_kind_are_refused() -> None:
    for key, value in (("capacity", -1), ("capacity", "many"), ("count", True), ("vos", "lhcb")):
        with refused(Invalid, f"scenario mine: ce.0.{key}: it must be"):
            parse("mine", {"ce": [{"name": "a", key: value}]})
