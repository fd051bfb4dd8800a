"""The numbers of the policy: each is described, and an impossible one is refused."""

import re
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.expectations import refused
from worker.domain.errors import Invalid
from worker.policy.parameters import DEFAULTS, NEVER_ZERO, Parameters

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "why" / "policy.md"
UNITS = {"min": 60, "h": 3600, "day": 86400}


def numbers_of_the_page() -> dict[str, float]:
    """Return the numbers of the table in the documentation, with times in seconds."""
    row = r"^\| `(\w+)` \| ([\d.]+) ?(\w*) \|[^|]+\|$"
    rows = re.findall(row, PAGE.read_text("utf-8"), re.MULTILINE)
    return {name: float(number) * UNITS.get(unit, 1) for name, number, unit in rows}


def test_each_is_described_with_its_default() -> None:
    defaults = {field.name: getattr(DEFAULTS, field.name) for field in fields(Parameters)}
    assert numbers_of_the_page() == {
        name: value.total_seconds() if isinstance(value, timedelta) else value
        for name, value in defaults.items()
    }


def test_each_is_read_by_the_policy() -> None:
    words = set[str]()
    for module in (ROOT / "worker").rglob("*.py"):
        if module.name != "parameters.py":
            words.update(re.findall(r"parameters\.(\w+)", module.read_text("utf-8")))
    assert {field.name for field in fields(Parameters)} <= words


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "negative_time": ({"stuck_after": timedelta(seconds=-1)}, "stuck_after"),
    "negative_price": ({"price_late": -0.1}, "price_late"),
    "luck_that_explains_all": ({"surprise": 1.0}, "surprise"),
    "more_than_all": ({"forgiven": 1.5}, "forgiven"),
    "probes_in_disorder": ({"probe_soonest": timedelta(hours=1)}, "probe_latest"),
    **{
        f"no_{name}": ({name: type(getattr(DEFAULTS, name))()}, name) for name in sorted(NEVER_ZERO)
    },
}


@pytest.mark.parametrize(("values", "words"), WRONG.values(), ids=WRONG)
def test_one_that_cannot_be_is_refused(values: dict[str, Any], words: str) -> None:
    with refused(Invalid, "parameter", words):
        Parameters(**values)


def test_a_price_of_nothing_is_a_price() -> None:
    assert Parameters(price_failed=0.0, price_late=0.0, price_refused=0.0).price_failed == 0
